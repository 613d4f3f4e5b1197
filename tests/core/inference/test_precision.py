"""Does a model give the same vectors with fewer bits, and is each tower read only when it is needed?"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ConfigError, ModelError
from core.formats import fingerprints
from core.formats.model_dir import fingerprint, save_model
from core.inference.clip_encoder import CLIPEncoder
from core.inference.device import RESTRICTION, processor, restrict
from core.inference.inference_blocks import FastTextTransformer, FastVisionTransformer
from core.inference.load import load_encoder
from core.inference.precision import choose_precision
from core.inference.quantized_linear import ByteLinear, Inner, PackedLinear, RoundedLinear
from core.inference.tower_precision import reduced
from core.model.config import ViTConfig
from core.model.text import TextTransformer
from core.model.transformer import Block
from core.model.vit import VisionTransformer
from core.text.sample_queries import everyday
from tests.core.openai_weights import golden_clip, golden_numbers
from tests.core.small_models import KINDS, small_model
from tests.shared import ROOT
from train.scenes import paint

CPU = torch.device("cpu")
LEAST_COSINE = {"bf16": 0.9995, "fp16": 0.9995, "int8": 0.995}
LARGEST = processor().largest_weight
needs_bytes = pytest.mark.skipif(not LARGEST, reason="this CPU has no kernels for bytes: AVX2 or more has")
TEXTS = ["a photo of a red dog", "the blue sea", "", "dog " * 60, "a photo of the beach at the sea", "ÿ 黒い猫"]


@pytest.fixture(params=["bf16", "fp16", pytest.param("int8", marks=needs_bytes)])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pixels(n: int = 12, side: int = 32) -> np.ndarray:
    """Images with few large shapes: unlike noise they differ in what a network makes of them."""
    coarse = np.random.default_rng(5).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(side // 4, axis=1).repeat(side // 4, axis=2)


def saved(path: Path, kind: str = "vit", seed: int = 0) -> Path:
    save_model(path, *small_model(kind, seed), card="", origin={}, dtype="float32")
    return path


# --- precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_bits_turn_no_vector_by_more_than_promised(kind: str, precision: str) -> None:
    clip, config, tokenizer = small_model(kind)
    exact = CLIPEncoder(clip, config, tokenizer, device="cpu")
    rounded = CLIPEncoder(clip, config, tokenizer, device="cpu", precision=precision)
    for expected, found in (
        (exact.encode_prepared(pixels()), rounded.encode_prepared(pixels())),
        (exact.encode_texts(TEXTS), rounded.encode_texts(TEXTS)),
    ):
        assert (expected * found).sum(axis=1).mean() >= LEAST_COSINE[precision]
        assert np.abs(expected - found).max() > 0  # it really computes in another format


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_beside_a_picture_or_text_matters_less_than_the_rounding(kind: str, precision: str) -> None:
    def encoder() -> CLIPEncoder:  # a new one remembers no text
        return CLIPEncoder(*small_model(kind), device="cpu", precision=precision)

    texts, images = encoder().encode_texts(TEXTS), encoder().encode_prepared(pixels())
    least = 1 - (1 - LEAST_COSINE[precision]) / 5
    other = encoder()
    alone = np.concatenate([other.encode_texts([text]) for text in TEXTS])
    assert (texts * alone).sum(axis=1).min() >= least
    alone = np.concatenate([other.encode_prepared(row[None]) for row in pixels()])
    assert (images * alone).sum(axis=1).min() >= least


def test_a_rounded_encoder_leaves_the_model_it_was_made_of_exact(precision: str) -> None:
    clip, config, tokenizer = small_model("resnet")
    before = copy.deepcopy(clip.state_dict())
    encoder = CLIPEncoder(clip, config, tokenizer, device="cpu", precision=precision)
    encoder.encode_prepared(pixels(2))
    encoder.encode_texts(TEXTS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in clip.state_dict().items())
    assert all(parameter.requires_grad for parameter in clip.parameters())


def test_the_same_model_has_one_fingerprint_in_every_precision(tmp_path: Path, precision: str) -> None:
    path = saved(tmp_path / "m")
    encoder = load_encoder(path, device="cpu", precision=precision)
    assert encoder.fingerprint == load_encoder(path, precision="fp32").fingerprint == fingerprint(path)


def test_auto_takes_what_the_processor_multiplies_natively_and_impossible_wishes_are_refused() -> None:
    assert choose_precision("auto", torch.device("meta")) == "fp32"
    expected = "bf16" if processor().native_bf16 else "int8" if LARGEST else "fp32"
    assert choose_precision("auto", CPU) == expected
    assert [choose_precision(name, CPU) for name in ("fp32", "bf16", "fp16")] == ["fp32", "bf16", "fp16"]
    with pytest.raises(ConfigError, match=r"bf61.*bf16"):
        choose_precision("bf61", CPU)
    with pytest.raises(ConfigError, match=r"int8.*meta.*fp32, bf16 or fp16"):
        choose_precision("int8", torch.device("meta"))


def restricted(name: str, *questions: str) -> list[str]:
    """The answers of one program that runs on a processor restricted to `name`."""
    code = [
        "import torch; from PIL import Image; from core.inference.device import processor",
        "from core.inference.precision import choose_precision",
        "from core.inference.load import load_encoder; from core.errors import ConfigError",
    ]
    code += [f"try: print({question})\nexcept ConfigError as error: print(error)" for question in questions]
    environment = os.environ | {RESTRICTION: name, "PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", "\n".join(code)]
    return subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_unknown_restriction_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RESTRICTION, "avx3")
    with pytest.raises(ConfigError, match="avx2, default"):
        restrict()


def test_a_restricted_processor_computes_with_less_and_says_so() -> None:
    has_avx = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    auto = "choose_precision('auto', torch.device('cpu')), processor().largest_weight, processor().packed_bf16"
    int8 = "choose_precision('int8', torch.device('cpu'))"
    level = "torch.backends.cpu.get_cpu_capability()"
    # A model that is loaded first, and pixels resized by PyTorch, change nothing.
    load = "(model := load_encoder('tiny')).prepare(Image.new('RGB', (300, 200)), (900, 600)).shape, model.precision"
    seen, least, refused, name = restricted("default", load, auto, int8, level)
    assert seen.endswith("fp32") and (least, name) == ("fp32 0 False", "DEFAULT")
    assert "fp32, bf16 or fp16" in refused
    if has_avx:
        assert restricted("avx2", auto, level) == ["int8 64 False", "AVX2"]
        assert "too late" in restricted("default", "torch.ones(9).exp(), processor()")[0]


@pytest.mark.parametrize("kind", ["resnet", "small_resnet"])
def test_batch_norms_are_multiplied_out_exactly(kind: str) -> None:
    tower = small_model(kind)[0].visual
    generator = torch.Generator().manual_seed(1)
    for module in tower.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var, module.running_mean, module.bias.data):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    batch = torch.rand((3, 3, 32, 32), generator=generator)
    folded = reduced(copy.deepcopy(tower), "fp16", CPU).float()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        expected, found = tower(batch), folded(batch)
    assert (found - expected).abs().max() <= 3e-3 * expected.abs().max()  # what rounding to fp16 leaves


def test_the_fast_towers_are_the_plain_ones_but_for_the_order_of_sums() -> None:
    clip, golden = golden_clip("openai-vit"), golden_numbers("openai-vit")
    image, text = clip.visual, clip.text
    assert isinstance(image, VisionTransformer) and isinstance(text, TextTransformer)
    with torch.inference_mode():
        images = FastVisionTransformer(image, plain, plain)(golden["pixels"])
        texts = FastTextTransformer(text, plain, plain)(golden["token_ids"])
    assert (images - golden["image_features"]).abs().max() <= 1e-5
    assert (texts - golden["text_features"]).abs().max() <= 1e-5


def plain(linear: torch.nn.Linear, inner: Inner) -> RoundedLinear:
    return RoundedLinear(linear, torch.float32, inner)


@needs_bytes
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_of_bytes_is_near_and_each_row_is_independent_of_the_others(dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    linear = torch.nn.Linear(96, 40)
    rows = torch.randn(2, 5, 96) * torch.tensor([1e-3, 1.0, 1e4, 1.0, 0.0])[:, None]
    layer = ByteLinear(linear, dtype, LARGEST)
    found, expected = layer(rows.to(dtype)), linear(rows)
    assert found.shape == expected.shape and found.dtype == dtype
    error = (found.float() - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert error.max() <= 0.02  # also for the small rows beside rows ten million times larger
    alone = torch.stack([layer(rows[:, i : i + 1].to(dtype))[:, 0] for i in range(5)], dim=1)
    assert torch.equal(alone, found)


@needs_bytes
def test_the_largest_bytes_do_not_saturate() -> None:
    linear = torch.nn.Linear(4096, 8)
    torch.nn.init.ones_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    found = ByteLinear(linear, torch.float32, LARGEST)(torch.ones(3, 4096))
    assert found == pytest.approx(torch.full((3, 8), 4096.0), rel=1e-5)


@needs_bytes
def test_a_few_large_gains_do_not_coarsen_the_bytes() -> None:
    """As trained models have them: six channels of a norm are large, and the columns behind them small."""
    torch.manual_seed(6)
    shape = {"image_size": 32, "patch_size": 8, "width": 192, "layers": 6, "heads": 3, "mlp_width": 768}
    tower = VisionTransformer(ViTConfig(activation="gelu", **shape), 64)
    for name, parameter in tower.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    for block in tower.blocks:
        assert isinstance(block, Block)
        for norm, linear in ((block.norm_attention, block.attention.qkv), (block.norm_mlp, block.mlp_in)):
            large = torch.randperm(192)[:6]
            norm.weight.data[large] *= 15
            linear.weight.data[:, large] /= 4
    batch = torch.randn(8, 3, 32, 32)
    rounded = reduced(copy.deepcopy(tower), "int8", CPU)
    with torch.inference_mode():
        near = torch.nn.functional.cosine_similarity(tower(batch), rounded(batch))
    assert near.mean() >= 0.999  # 0.9966 without balancing


@needs_bytes
def test_trained_towers_keep_their_vectors_in_bytes() -> None:
    """The bundled model, with everyday phrases and painted scenes, as near as `auto` has to be."""
    exact, rounded = (load_encoder("tiny", device="cpu", precision=name) for name in ("fp32", "int8"))
    images = [paint(seed, size=64).image for seed in range(24)]
    assert cosines(exact.encode_texts(everyday()), rounded.encode_texts(everyday())).mean() >= LEAST_COSINE["bf16"]
    assert cosines(exact.encode_images(images), rounded.encode_images(images)).mean() >= LEAST_COSINE["bf16"]


def cosines(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    found: np.ndarray = (some * others).sum(axis=1)
    return found


@pytest.mark.parametrize(
    ("dtype", "step"),
    [
        pytest.param(torch.bfloat16, 2**-7, marks=pytest.mark.skipif(not processor().packed_bf16, reason="AVX-512")),
        pytest.param(torch.float32, 2**-20, marks=pytest.mark.skipif(not processor().packed_fp32, reason="oneDNN")),
    ],
)
def test_a_packed_layer_is_the_plain_one_with_rounded_weights(dtype: torch.dtype, step: float) -> None:
    torch.manual_seed(4)
    for bias in (True, False):
        linear = torch.nn.Linear(64, 24, bias=bias)
        x = torch.randn(3, 7, 64).to(dtype)
        plain = torch.nn.functional.linear(
            x.float(), linear.weight.to(dtype).float(), linear.bias.to(dtype).float() if bias else None
        )
        found = PackedLinear(linear, dtype)(x)
        assert (found.float() - plain).abs().max() <= step * plain.abs().max()


# --- one tower without the other --------------------------------------------------------------------------------------


def poison(path: Path, prefix: str) -> None:
    """Put NaN into every tensor of a tower, in place, so that whoever reads one notices."""
    file = path / "model.safetensors"
    broken = {
        name: torch.full_like(t, torch.nan) if name.startswith(prefix) else t for name, t in load_file(file).items()
    }
    save_file(broken, path / "poisoned")
    with file.open("r+b") as target:
        target.write((path / "poisoned").read_bytes())
    (path / "poisoned").unlink()


@pytest.mark.parametrize("kind", ["vit", "cbow", "small_resnet"])
def test_words_never_read_the_image_tower_and_pictures_never_the_text_tower(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "m", kind)
    expected = load_encoder(path, device="cpu", precision="fp32")
    texts, images = expected.encode_texts(TEXTS), expected.encode_prepared(pixels())

    words = load_encoder(path, device="cpu", precision="fp32")
    poison(path, "visual.")
    assert (words.encode_texts(TEXTS) == texts).all()
    with pytest.raises(ModelError, match="hold NaN or infinite numbers: visual"):
        words.encode_prepared(pixels())

    path = saved(tmp_path / "n", kind)
    pictures = load_encoder(path, device="cpu", precision="fp32")
    poison(path, "text.")
    assert (pictures.encode_prepared(pixels()) == images).all()
    with pytest.raises(ModelError, match="hold NaN or infinite numbers: text"):
        pictures.encode_texts(TEXTS)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux what is mapped")
def test_float32_weights_are_mapped_not_copied(tmp_path: Path) -> None:
    path = saved(tmp_path / "m")
    encoder = CLIPEncoder.from_directory(path, device="cpu", precision="fp32")
    encoder.encode_texts(["dog"])
    assert str(path / "model.safetensors") in Path("/proc/self/maps").read_text()


# --- recognised without reading ---------------------------------------------------------------------------------------


def memories() -> list[Path]:
    from platformdirs import user_cache_path

    return sorted((user_cache_path("clipdex", appauthor=False) / "fingerprints").glob("*"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_known_file_is_recognised_without_reading_it_and_a_false_memory_gives_no_vector(tmp_path: Path) -> None:
    path = saved(tmp_path / "m")
    true = load_encoder(path).fingerprint
    (memory,) = memories()
    text = fingerprints.Memory.model_validate_json(memory.read_text())
    false = text.model_copy(update={"digests": {**text.digests, "visual": "0" * 64}})
    memory.write_text(false.model_dump_json())
    misled = load_encoder(path, precision="fp32")
    assert misled.fingerprint != true  # so it did not look at the weights
    assert len(misled.encode_texts(["dog"])) == 1  # this tower's digest is right
    with pytest.raises(ModelError, match="was changed while it was in use, or without a trace"):
        misled.encode_prepared(pixels(1))
    assert memories() == []
    assert load_encoder(path).fingerprint == true


def test_a_swapped_file_is_another_model_even_with_the_same_size_and_time(tmp_path: Path) -> None:
    path, other = saved(tmp_path / "m"), saved(tmp_path / "other", seed=1)
    first, file = load_encoder(path), path / "model.safetensors"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    (other / "model.safetensors").replace(file)
    os.utime(file, ns=times)
    second = load_encoder(path)
    assert second.fingerprint == fingerprint(path) != first.fingerprint
    with pytest.raises(ModelError, match="was changed while it was in use"):
        first.encode_prepared(pixels(1))  # opened before the swap, first used after it


def test_a_changed_configuration_is_noticed_although_the_weights_are_remembered(tmp_path: Path) -> None:
    path = saved(tmp_path / "m")
    first = load_encoder(path).fingerprint
    config = path / "config.json"
    config.write_text(config.read_text().replace('"convert": "display"', '"convert": "on_white"'))
    assert load_encoder(path).fingerprint == fingerprint(path) != first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stamp": 1}', "\x00"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    path = saved(tmp_path / "m")
    load_encoder(path)
    (memory,) = memories()
    memory.write_text(content)
    assert load_encoder(path).fingerprint == fingerprint(path)
    assert memories() == [memory] and memory.read_text() != content  # and it is mended


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load_encoder(saved(tmp_path / "m")).fingerprint == fingerprint(tmp_path / "m")


def test_weights_that_never_were_whole_are_refused_at_once_not_when_first_used(tmp_path: Path) -> None:
    path = saved(tmp_path / "m")
    poison(path, "visual.")
    with pytest.raises(ModelError, match="NaN or infinite"):
        load_encoder(path)
    assert memories() == []


# --- queries that come again, and queries that are too long -----------------------------------------------------------


def test_a_cached_text_has_the_vector_it_had_and_nobody_can_change_it() -> None:
    encoder = CLIPEncoder(*small_model(), device="cpu")
    first = encoder.encode_texts(TEXTS)
    kept = first.copy()
    first[:] = 0
    again = encoder.encode_texts([TEXTS[2], TEXTS[0], TEXTS[2]])
    assert (again == kept[[2, 0, 2]]).all()
    again[:] = 0
    assert (encoder.encode_texts(TEXTS) == kept).all()


def test_the_first_word_that_is_cut_off_is_named() -> None:
    clip, config, tokenizer = small_model()  # 24 tokens, 22 of them for words
    encoder = CLIPEncoder(clip, config, tokenizer, device="cpu")
    room = 22
    fits = ["", "a photo of a red dog", "x" * room, " ".join("x" * room)]
    assert encoder.truncation(fits) == [None] * len(fits)
    assert encoder.truncation([" ".join("x" * room) + " Boats sail"]) == ["Boats"]
    assert encoder.truncation([" ".join("x" * (room - 1)) + "  zyxw sail"]) == ["zyxw"]  # cut within the word
    # The words as they were written; a repaired text, where they do not correspond, as it is read.
    assert encoder.truncation(["q &amp; " * 10 + "w e Wörter mehr"])[0] == "Wörter"
    assert encoder.truncation(["黒" * 100])[0] == "黒" * 39 + "…"  # three bytes each: about seven fit
    for text in ("dog " * 60, "a photo of the beach " * 9):
        words = text.split()
        cut = encoder.truncation([text])[0]
        whole = [n for n in range(len(words) + 1) if encoder.truncation([" ".join(words[:n])]) == [None]]
        assert cut == words[whole[-1]]
        # Whatever follows that word is not seen.
        other = encoder.encode_texts([" ".join([*words[: whole[-1] + 1], "beach", "sea"])])
        assert (other == encoder.encode_texts([text])).all()
