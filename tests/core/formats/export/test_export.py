"""Does a model that goes out come back as itself, and do other programs get the same vectors from it?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core.errors import ConfigError, MissingExtraError, ModelError
from core.formats.convert import Converted, convert
from core.formats.convert.weights import parameters
from core.formats.export import EXPORTS, export
from core.formats.model_dir import save_model
from tests.core.formats.convert.sources import OPENCLIP, TOWERS, TRANSFORMERS, copied, numbers, openai_weights
from tests.core.small_models import KINDS, small_model
from tests.torchvision_beside import import_torchvision

TEXTS = ["a photo of a red dog", "It's 3.14!", "", "the  SEA\n<b>", "beach " * 40]


def converted(kind: str = "vit", **config: object) -> Converted:
    clip, model, tokenizer = small_model(kind)
    changed = model.model_copy(update={"preprocess": model.preprocess.model_copy(update=config)})
    return Converted(changed, parameters(clip), tokenizer, {}, "clipdex")


def one_activation(given: Converted) -> Converted:
    clip = given.config.clip
    text = clip.text.model_copy(update={"activation": "gelu"})
    return Converted(
        given.config.model_copy(update={"clip": clip.model_copy(update={"text": text})}),
        given.weights,
        given.tokenizer,
        {},
        "clipdex",
    )


def same_weights(first: Converted, second: Converted) -> bool:
    return first.weights.keys() == second.weights.keys() and all(
        torch.equal(value.float(), second.weights[name].float()) for name, value in first.weights.items()
    )


# --- out and in again ------------------------------------------------------------------------------------------------


def test_a_model_of_transformers_goes_out_and_comes_back_as_itself(tmp_path: Path) -> None:
    original = convert(TRANSFORMERS)
    assert export(original, tmp_path / "out", "transformers") == []
    assert convert(tmp_path / "out").fingerprint() == original.fingerprint()
    theirs, ours = (load_file(folder / "model.safetensors") for folder in (TRANSFORMERS, tmp_path / "out"))
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name].float(), ours[name]) for name in theirs)


def test_a_model_of_openclip_goes_out_and_comes_back_as_itself(tmp_path: Path) -> None:
    original = convert(OPENCLIP, tokenizer="none")
    notes = export(original, tmp_path / "out", "openclip")
    assert [note.partition(" is not")[0] for note in notes] == ["its vocabulary of 512 tokens"]
    assert convert(tmp_path / "out", tokenizer="none").fingerprint() == original.fingerprint()
    theirs, ours = (load_file(folder / "open_clip_model.safetensors") for folder in (OPENCLIP, tmp_path / "out"))
    assert theirs.keys() - ours.keys() <= {"attn_mask"}
    assert all(torch.equal(theirs[name].float(), ours[name]) for name in ours)


@pytest.mark.parametrize(("name", "to"), [("vit", "openclip"), ("vit", "transformers"), ("resnet", "openclip")])
def test_openais_weights_go_through_other_formats_without_losing_a_digit(tmp_path: Path, name: str, to: str) -> None:
    torch.save(openai_weights(f"openai-{name}"), tmp_path / "m.pt")
    original = convert(tmp_path / "m.pt", tokenizer="none")
    export(original, tmp_path / "out", to)
    again = convert(tmp_path / "out", tokenizer="none")
    assert same_weights(original, again)
    assert again.config.clip == original.config.clip
    if to == "openclip":
        assert again.fingerprint() == original.fingerprint()
    expected = numbers(TOWERS / f"openai-{name}.npz")
    with torch.inference_mode():
        found = again.clip().encode_image(expected["pixels"])
    assert (found - expected["image_features"]).abs().max() <= (1e-5 if name == "vit" else 6e-5)


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_the_rules_of_pictures_and_texts_come_back_or_are_said(tmp_path: Path, resize: str) -> None:
    given = converted(resize=resize, interpolation="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    notes = export(given, tmp_path / "out", "transformers")
    again = convert(tmp_path / "out")
    rules = again.config.preprocess
    assert (rules.resize, rules.interpolation, rules.mean, rules.std) == (
        resize,
        "bilinear",
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
    )
    assert any("transparency on white" in note for note in notes)
    assert any("HTML entities stay" in note for note in notes)
    assert all(note in (tmp_path / "out" / "README.md").read_text("utf-8") for note in notes)
    assert given.tokenizer is not None
    assert again.tokenizer is not None
    theirs, ours = (json.loads(each.to_json())["model"] for each in (again.tokenizer, given.tokenizer))
    assert (theirs["vocab"], theirs["merges"]) == (ours["vocab"], ours["merges"])
    assert [again.tokenizer.ids(text) for text in TEXTS[:3]] == [given.tokenizer.ids(text) for text in TEXTS[:3]]


def test_padding_of_the_longest_side_goes_to_openclip_only(tmp_path: Path) -> None:
    given = one_activation(converted(resize="longest"))
    with pytest.raises(ModelError, match="knows no padding of the longest side"):
        export(given, tmp_path / "a", "transformers")
    export(given, tmp_path / "b", "openclip")
    assert convert(tmp_path / "b", tokenizer="none").config.preprocess.resize == "longest"
    assert not (tmp_path / "a").exists()


def test_numbers_that_a_format_leaves_out_by_default_are_written(tmp_path: Path) -> None:
    source = copied(OPENCLIP, tmp_path / "m", open_clip_config={"model_cfg.text_cfg.norm_kwargs": {"eps": 1e-6}})
    original = convert(source, tokenizer="none")
    export(original, tmp_path / "out", "openclip")
    assert convert(tmp_path / "out", tokenizer="none").fingerprint() == original.fingerprint()


# --- what a format cannot hold ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "to", "words"),
    [
        ("small_resnet", "transformers", "image tower of the kind 'small_resnet'"),
        ("small_resnet", "openclip", "image tower of the kind 'small_resnet'"),
        ("resnet", "transformers", "image tower of the kind 'resnet'"),
        ("cbow", "transformers", "text tower of the kind 'cbow'"),
        ("cbow", "openclip", "text tower of the kind 'cbow'"),
        ("vit", "openclip", "gelu in the image tower and quick_gelu in the text tower"),
    ],
)
def test_what_a_format_does_not_know_is_refused_in_one_line(tmp_path: Path, kind: str, to: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        export(converted(kind), tmp_path / "out", to)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_finished_has_a_hidden_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever kills the program finds nothing beside the target that looks like a model."""
    seen: list[str] = []

    def write(_: Converted, folder: Path) -> list[str]:
        seen.extend(path.name for path in tmp_path.iterdir())
        return []

    monkeypatch.setitem(EXPORTS, "watched", write)
    export(converted("vit"), tmp_path / "out", "watched")
    assert [name[:5] for name in seen] == [".out."]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_written_over_and_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    with pytest.raises(ModelError, match="not an empty folder"):
        export(converted(), tmp_path / "photos", "transformers")
    with pytest.raises(ConfigError, match="'transformer'; choose one of: transformers, "):
        export(converted(), tmp_path / "out", "transformer")


def test_onnx_without_its_packages_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clipdex\[onnx\]'"):
        EXPORTS["onnx"](converted(), tmp_path)


# --- other programs --------------------------------------------------------------------------------------------------


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (50, 71, 3), dtype=np.uint8))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_transformers_computes_the_same_vectors_from_the_same_words_and_pictures(
    tmp_path: Path, picture: Image.Image
) -> None:
    import_torchvision()
    import transformers

    for name, given in (("golden", convert(TRANSFORMERS)), ("ours", converted())):
        export(given, tmp_path / name, "transformers")
        model, info = transformers.CLIPModel.from_pretrained(tmp_path / name, output_loading_info=True)
        assert not any(info[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / name)
        processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / name, backend="pil")
        again = convert(tmp_path / name)
        assert again.tokenizer is not None
        ids = tokenizer(TEXTS, padding="max_length", truncation=True, return_tensors="np")["input_ids"]
        assert (ids == again.tokenizer.encode(TEXTS)).all()
        inputs = processor(picture, return_tensors="pt")
        with torch.inference_mode():
            found = model(input_ids=torch.from_numpy(ids), pixel_values=inputs["pixel_values"])
            images, texts, scale = given.clip()(inputs["pixel_values"], torch.from_numpy(ids))
        assert (found.image_embeds - images).abs().max() <= 2e-6
        assert (found.text_embeds - texts).abs().max() <= 2e-6
        assert (found.logits_per_image - scale * images @ texts.T).abs().max() <= 3e-5


@pytest.mark.filterwarnings("ignore")
def test_open_clip_computes_the_same_vectors(tmp_path: Path) -> None:
    import_torchvision()
    import open_clip

    torch.save(openai_weights("openai-resnet"), tmp_path / "m.pt")
    for number, given in enumerate(
        [convert(OPENCLIP, tokenizer="none"), one_activation(converted()), convert(tmp_path / "m.pt", tokenizer="none")]
    ):
        folder = tmp_path / str(number)
        export(given, folder, "openclip")
        model = open_clip.create_model(f"local-dir:{folder}").eval()
        size, text = given.config.clip.vision.image_size, given.config.clip.text
        pixels = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
        ids = torch.randint(1, text.eot_id, (3, text.context_length), generator=torch.Generator().manual_seed(2))
        ids[:, 5] = text.eot_id
        ids[:, 6:] = 0
        with torch.inference_mode():
            clip = given.clip()
            assert (model.encode_image(pixels) - clip.encode_image(pixels)).abs().max() <= 6e-5
            assert (model.encode_text(ids) - clip.encode_text(ids)).abs().max() <= 1e-5
            assert float(model.logit_scale) == float(clip.logit_scale)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "vit"])  # `cbow` has its image tower
def test_onnxruntime_computes_the_same_vectors_for_every_tower_and_any_number_of_them(
    tmp_path: Path, kind: str
) -> None:
    import onnxruntime as runtime

    given = converted(kind)
    assert given.tokenizer is not None
    export(given, tmp_path / "out", "onnx")
    clip = given.clip()
    pixels = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ids = torch.from_numpy(given.tokenizer.encode(TEXTS))
    for name, inputs, tower in (("image", pixels, clip.visual), ("text", ids, clip.text)):
        session = runtime.InferenceSession(tmp_path / "out" / f"{name}.onnx", providers=["CPUExecutionProvider"])
        (field,) = session.get_inputs()
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(tower(inputs), dim=-1).numpy()
        for n in (5, 1):
            (found,) = session.run(["vectors"], {field.name: inputs[:n].numpy()})
            assert np.abs(found - expected[:n]).max() <= 1e-5
    about = json.loads((tmp_path / "out" / "model.json").read_text("utf-8"))
    assert about["fingerprint"] == given.fingerprint()
    assert about["preprocess"]["image_size"] == 32


def test_a_directory_that_was_exported_and_loaded_again_is_the_model_that_was_saved(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    save_model(tmp_path / "m", clip, config, tokenizer, card="", origin={})
    saved = convert(tmp_path / "m")
    export(saved, tmp_path / "out", "transformers")
    assert same_weights(convert(tmp_path / "out"), saved)
