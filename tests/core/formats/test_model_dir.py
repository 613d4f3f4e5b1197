"""Is a model directory read back exactly, and is everything damaged refused with a sentence?"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ModelError
from core.formats.model_dir import fingerprint, load_clip, load_tokenizer, read_config, save_model
from core.inference.clip_encoder import CLIPEncoder
from core.model.config import TransformerTextConfig
from core.text.tokenizer import train_tokenizer
from tests.core.small_models import KINDS, small_model
from tests.shared import ROOT


def save(path: Path, kind: str = "vit", **changes: Any) -> Path:
    clip, config, tokenizer = small_model(kind)
    options: dict[str, Any] = {"card": "# A small model\n", "origin": {"from": "a test"}} | changes
    save_model(path, clip, config, tokenizer, **options)
    return path


def rewrite(path: Path, **changes: torch.Tensor | None) -> None:
    """Replace tensors of the weights file, or take them out with None."""
    weights = load_file(path / "model.safetensors") | changes
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, path / "model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_saved_in_float32_comes_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    clip, config, tokenizer = small_model(kind)
    save(tmp_path / "m", kind, dtype="float32")
    back = load_clip(tmp_path / "m")
    assert read_config(tmp_path / "m") == config
    assert not back.training
    for name, tensor in clip.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    texts = load_tokenizer(tmp_path / "m")
    assert texts is not None
    assert (texts.encode(["a red dog", "ÿ 黒い猫"]) == tokenizer.encode(["a red dog", "ÿ 黒い猫"])).all()


def test_float16_rounds_matrices_keeps_vectors_and_loads_as_float32(tmp_path: Path) -> None:
    clip, _, _ = small_model("resnet")
    whole, half = save(tmp_path / "whole", "resnet", dtype="float32"), save(tmp_path / "half", "resnet")
    assert (half / "model.safetensors").stat().st_size < 0.6 * (whole / "model.safetensors").stat().st_size
    for name, tensor in load_clip(half).state_dict().items():
        original = clip.state_dict()[name]
        assert tensor.dtype == original.dtype
        assert torch.equal(tensor, original.half().float() if tensor.dim() >= 2 else original), name


def test_the_directory_holds_exactly_the_five_files_with_card_and_origin(tmp_path: Path) -> None:
    save(tmp_path / "m", origin={"recipe": "größe"})
    names = {"config.json", "model.safetensors", "tokenizer.json", "card.md", "origin.json"}
    assert {file.name for file in (tmp_path / "m").iterdir()} == names
    assert (tmp_path / "m" / "card.md").read_text() == "# A small model\n"
    assert json.loads((tmp_path / "m" / "origin.json").read_text()) == {"recipe": "größe"}


def test_a_model_without_a_tokenizer_encodes_pictures_only(tmp_path: Path) -> None:
    clip, config, _ = small_model()
    save(tmp_path / "m")  # replaced, its tokenizer too
    save_model(tmp_path / "m", clip, config.model_copy(update={"tokenizer": None}), None, card="", origin={})
    assert not (tmp_path / "m" / "tokenizer.json").exists()
    assert load_tokenizer(tmp_path / "m") is None
    with pytest.raises(ModelError, match="has no tokenizer, so it cannot read texts"):
        CLIPEncoder.from_directory(tmp_path / "m").encode_texts(["dog"])


def test_the_fingerprint_is_of_the_vectors_not_of_the_name_or_the_storage(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    with torch.no_grad():
        for parameter in clip.parameters():
            parameter.copy_(parameter.half())
    for name, dtype in (("a", "float16"), ("b", "float32")):
        named = config.model_copy(update={"name": name})
        save_model(tmp_path / name, clip, named, tokenizer, card=name, origin={}, dtype=dtype)  # type: ignore[arg-type]
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert len(fingerprint(tmp_path / "a")) == 64
    assert fingerprint(tmp_path / "a", load_clip(tmp_path / "a")) == fingerprint(tmp_path / "a")
    assert CLIPEncoder.from_directory(tmp_path / "a").fingerprint == fingerprint(tmp_path / "a")


def test_the_fingerprint_changes_with_weights_preprocessing_activation_and_tokenizer(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    prints = [fingerprint(save(tmp_path / "plain", dtype="float32"))]

    squash = config.model_copy(update={"preprocess": config.preprocess.model_copy(update={"resize": "squash"})})
    save_model(tmp_path / "squash", clip, squash, tokenizer, card="", origin={}, dtype="float32")
    prints.append(fingerprint(tmp_path / "squash"))

    text = save(tmp_path / "activation", dtype="float32") / "config.json"
    text.write_text(text.read_text().replace("quick_gelu", "gelu"))
    prints.append(fingerprint(tmp_path / "activation"))

    weights = load_file(save(tmp_path / "weights", dtype="float32") / "model.safetensors")
    weights["visual.class_token"][3] += 1e-6
    rewrite(tmp_path / "weights", **weights)
    prints.append(fingerprint(tmp_path / "weights"))

    other = train_tokenizer(["another sea of the dog", "photo photo"] * 3, 540, context_length=24)
    cut = config.model_copy(update={"tokenizer": tokenizer.config})
    assert other.vocab_size <= tokenizer.vocab_size
    save_model(tmp_path / "words", clip, cut, tokenizer, card="", origin={}, dtype="float32")
    (tmp_path / "words" / "tokenizer.json").write_text(
        (tmp_path / "words" / "tokenizer.json").read_text().replace("\n", "\n ", 1)
    )
    prints.append(fingerprint(tmp_path / "words"))
    assert len(set(prints)) == 5


def test_a_folder_that_is_no_model_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model directory: config\.json and model\.safetensors missing"):
        load_clip(tmp_path)
    path = save(tmp_path / "m")
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"not a complete model directory: tokenizer\.json missing"):
        read_config(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"is not a model directory: model\.safetensors missing"):
        read_config(path)


def test_missing_and_unexpected_tensors_are_listed_up_to_eight(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    rewrite(path, **{"visual.class_token": None, "visual.cls": torch.zeros(32)})
    with pytest.raises(ModelError, match=r"1 tensors missing: visual\.class_token; 1 tensors unexpected: visual\.cls$"):
        load_clip(path)
    blocks = [name for name in load_file(path / "model.safetensors") if "blocks.1" in name]
    rewrite(path, **dict.fromkeys(blocks, None))
    with pytest.raises(
        ModelError, match=rf"{len(blocks) + 1} tensors missing: (\S+, ){{7}}\S+ and {len(blocks) - 7} more"
    ):
        load_clip(path)


def test_wrong_shapes_and_number_formats_are_listed(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    rewrite(path, **{"visual.class_token": torch.zeros(31), "text.norm_final.bias": torch.zeros(32, dtype=torch.int64)})
    with pytest.raises(ModelError, match=r"visual\.class_token is \(31,\), not \(32,\), text\.norm_final\.bias is I64"):
        load_clip(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_when_read_and_when_saved(tmp_path: Path, value: float) -> None:
    path = save(tmp_path / "m")
    bias = torch.zeros(32)
    bias[5] = value
    rewrite(path, **{"text.norm_final.bias": bias})
    with pytest.raises(ModelError, match=r"1 tensors hold NaN or infinite numbers: text\.norm_final\.bias"):
        load_clip(path)
    clip, config, tokenizer = small_model()
    with torch.no_grad():
        clip.text.get_submodule("norm_final").bias[0] = value  # type: ignore[operator]
    with pytest.raises(ModelError, match="NaN or infinite"):
        save_model(tmp_path / "new", clip, config, tokenizer, card="", origin={})
    assert not (tmp_path / "new").exists()


def test_a_weight_too_large_for_float16_is_refused_and_fits_float32(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    with torch.no_grad():
        clip.text.get_parameter("position_embedding")[0, 0] = 1e5
    with pytest.raises(ModelError, match="position_embedding"):
        save_model(tmp_path / "m", clip, config, tokenizer, card="", origin={}, dtype="float16")
    save_model(tmp_path / "m", clip, config, tokenizer, card="", origin={}, dtype="float32")
    assert load_clip(tmp_path / "m").text.get_parameter("position_embedding")[0, 0] == 1e5


def test_a_file_cut_anywhere_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    weights = (path / "model.safetensors").read_bytes()
    for content in (b"", weights[:4], weights[:100], weights[:-1], weights + b"\0", b"\xff" * 64, b"PK\x03\x04" * 50):
        (path / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match="damaged or cut short"):
            load_clip(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"{}", "name: Field required"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b" " * (2 << 20), "larger than 1048576 bytes"),
    ],
)
def test_a_damaged_configuration_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = save(tmp_path / "m")
    (path / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_config(path)


def test_a_configuration_that_promises_too_much_allocates_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    config = json.loads((path / "config.json").read_text())
    config["clip"]["text"]["layers"] = 10**9
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="promises 1000000002 layers"):
        load_clip(path)
    for width, message in (
        (2**18, r"text\.position_embedding is \(24, 32\), not \(24, 262144\)"),
        (2**40, r"text\.position_embedding is \(24, 32\), not \(24, 1099511627776\)"),
    ):
        config["clip"]["text"] |= {"layers": 2, "width": width}
        (path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=message):
            load_clip(path)


def test_sizes_that_no_weight_bears_witness_of_are_bounded(tmp_path: Path) -> None:
    path = save(tmp_path / "m", "small_resnet")
    config = json.loads((path / "config.json").read_text())
    config["clip"]["vision"]["image_size"] = config["preprocess"]["image_size"] = 100_000
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="asks for images of 100000 pixels"):
        read_config(path)


def test_a_tokenizer_file_that_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    with (path / "tokenizer.json").open("ab") as file:
        file.truncate(1 << 30)
    for read in (fingerprint, CLIPEncoder.from_directory):
        with pytest.raises(ModelError, match=r"tokenizer\.json: is larger than 67108864 bytes"):
            read(path)


def test_a_tokenizer_larger_than_the_text_tower_is_refused(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    text = config.clip.text.model_copy(update={"vocab_size": tokenizer.vocab_size - 1})
    assert isinstance(text, TransformerTextConfig)
    small = config.model_copy(update={"clip": config.clip.model_copy(update={"text": text})})
    path = save(tmp_path / "m")
    (path / "config.json").write_text(small.model_dump_json())
    size = tokenizer.vocab_size
    with pytest.raises(ModelError, match=f"vocabulary of {size} is larger than the text tower's {size - 1}"):
        load_tokenizer(path)
    with pytest.raises(ModelError, match=r"another shape than config\.clip says"):
        save_model(tmp_path / "n", clip, small, tokenizer, card="", origin={})


ENDLESS = """
import sys
from tests.core.small_models import small_model
from core.formats.model_dir import save_model
models = [small_model("vit", 1), small_model("vit", 2)]
print("ready", flush=True)
while True:
    for clip, config, tokenizer in models:
        save_model(sys.argv[1], clip, config, tokenizer, card="", origin={}, dtype="float32")
"""


def test_a_kill_while_saving_leaves_a_whole_model_or_none(tmp_path: Path) -> None:
    path = tmp_path / "m"
    allowed = set()
    for seed in (1, 2):
        clip, config, tokenizer = small_model("vit", seed)
        save_model(tmp_path / str(seed), clip, config, tokenizer, card="", origin={}, dtype="float32")
        allowed.add(fingerprint(tmp_path / str(seed)))
    for wait in (0.011, 0.043):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        try:
            assert fingerprint(path) in allowed
        except ModelError as error:
            assert "not a model directory" in str(error)  # noqa: PT017
