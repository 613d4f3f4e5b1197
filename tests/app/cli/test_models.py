"""What does a person see of the models?  `clipdex models list | show | convert | export`"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import clipdex as library
from core.errors import ModelError
from core.formats.hub import RECOMMENDED_MODEL
from core.formats.model_catalog import DESCRIPTIONS
from core.formats.model_dir import fingerprint, load_clip, read_config, save_model
from core.inference.load import load_encoder
from tests.app.cli.test_cli import clipdex, fails
from tests.app.conftest import paint
from tests.core.formats.convert.sources import OPENCLIP, copied
from tests.core.hub_server import COMMIT
from tests.core.small_models import small_model
from tests.shared import ROOT, shared


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    save_model(folder, *small_model(), card="# small\n", origin={"made": "by a test"})
    return folder


def in_cache(repo: str, model: Path) -> None:
    """The model as if it had been downloaded; nothing here asks a network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    place = Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    shutil.copytree(model, place / "snapshots" / COMMIT)


def test_list_shows_every_name_with_its_numbers_on_one_line_each() -> None:
    code, out, err = clipdex("models", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for each in DESCRIPTIONS:
        (line,) = [line for line in lines if line.startswith(each.name + " ")]
        assert line.rstrip().endswith(f"hf:{each.repo}")
    best = next(line for line in lines if line.startswith(RECOMMENDED_MODEL))
    assert best.split()[1:8] == ["151", "256", "512", "72.8", "39.9", "57.9", "MIT"]
    assert next(line for line in lines if line.startswith("ViT-H-14/dfn5b")).split()[4:7] == ["83.4", "–", "–"]


def test_list_as_json_holds_everything_that_is_known() -> None:
    code, out, _ = clipdex("models", "list", "--json")
    answer = json.loads(out)
    assert (code, answer["recommended"], answer["bundled"]) == (0, RECOMMENDED_MODEL, "tiny")
    assert [each["name"] for each in answer["models"]] == [each.name for each in DESCRIPTIONS]
    first = answer["models"][0]
    assert (first["imagenet"], first["licence"], first["activation"], first["here"]) == (72.81, "MIT", "gelu", False)


def test_show_tells_what_a_directory_is(model: Path) -> None:
    code, out, _ = clipdex("models", "show", model, "--json")
    facts = json.loads(out)
    assert (code, facts["name"], facts["format"]) == (0, "small-vit", "clipdex")
    assert facts["fingerprint"] == fingerprint(model)
    clip = load_clip(model)
    assert facts["parameters"] == {
        "total": sum(parameter.numel() for parameter in clip.parameters()),
        "image": sum(parameter.numel() for parameter in clip.visual.parameters()),
        "text": sum(parameter.numel() for parameter in clip.text.parameters()),
    }
    assert facts["origin"]["made"] == "by a test"
    code, out, _ = clipdex("models", "show", model)
    for fact in (
        "small-vit",
        "patch_size 8",
        "activation gelu",
        "activation quick_gelu",
        fingerprint(model),
        "bicubic",
    ):
        assert fact in " ".join(out.split()), fact


def test_show_measures_how_near_fewer_bits_come(model: Path) -> None:
    measured = json.loads(clipdex("models", "show", model, "--measure", "--json")[1])["cosine_to_fp32"]
    assert {"bf16", "fp16"} <= set(measured) <= {"bf16", "fp16", "int8"}
    for near in measured.values():
        assert 0.99 < near["images_least"] <= near["images_mean"] < 1.000001
        assert 0.99 < near["texts_least"] <= near["texts_mean"] < 1.000001
    out = clipdex("models", "show", model, "--measure")[1]
    assert f"cosine to fp32: images {measured['bf16']['images_mean']:.5f} (least " in out


def test_show_knows_the_test_encoder_and_a_model_that_is_not_here() -> None:
    assert "layout histograms" in clipdex("models", "show", "toy")[1]
    code, out, _ = clipdex("models", "show", "ViT-L-14/laion2b_s32b_b82k")
    assert code == 0
    assert "no; using it downloads it: --model ViT-L-14/laion2b_s32b_b82k" in out
    assert "427,616,513 parameters, 224 px, 768 numbers, gelu" in out
    assert "COCO t→i 46.5 %, i→t 63.4 %" in out


def test_show_says_how_an_unknown_model_can_be_reached(tmp_path: Path) -> None:
    assert "naming it downloads it (--model hf:me/nowhere)" in fails("models", "show", "hf:me/nowhere")
    assert (
        fails("models", "show", "ViT-B-32/opnai")
        .partition("; on the hub there is ")[2]
        .startswith("ViT-B-32/openai and ")
    )
    assert "holds no model" in fails("models", "show", tmp_path)


def test_a_model_of_the_hub_that_is_here_is_shown_converted_and_used_to_index(model: Path, tmp_path: Path) -> None:
    in_cache("me/small", model)
    facts = json.loads(clipdex("models", "show", "hf:me/small", "--json")[1])
    assert (facts["name"], facts["here"], facts["fingerprint"]) == ("hf:me/small", True, fingerprint(model))
    assert facts["origin"]["revision"] == COMMIT

    code, out, err = clipdex("models", "convert", "hf:me/small", tmp_path / "mine")
    assert (code, err) == (0, "")
    assert fingerprint(model)[:12] in out
    assert fingerprint(tmp_path / "mine") == fingerprint(model)
    origin = json.loads((tmp_path / "mine" / "origin.json").read_text("utf-8"))
    assert (origin["source"], origin["revision"]) == ("hf:me/small", COMMIT)
    assert set(origin["files"]) == {"config.json", "model.safetensors", "tokenizer.json", "card.md", "origin.json"}

    paint(tmp_path / "cards" / "red.png", "red", 1)
    assert clipdex("index", tmp_path / "cards", "--model", "hf:me/small")[0] == 0
    status = library.open(tmp_path / "cards").status()
    assert (status.model, status.fingerprint) == ("hf:me/small", fingerprint(model))
    code, out, _ = clipdex("search", "a red card", tmp_path / "cards")
    assert code == 0
    assert out.strip().endswith("red.png")


def test_a_collection_never_sends_anybody_to_the_network(model: Path, tmp_path: Path) -> None:
    in_cache("me/gone", model)
    paint(tmp_path / "cards" / "red.png", "red", 1)
    assert clipdex("index", tmp_path / "cards", "--model", "hf:me/gone")[0] == 0
    from huggingface_hub.constants import HF_HUB_CACHE

    shutil.rmtree(Path(HF_HUB_CACHE) / "models--me--gone")
    message = fails("search", "red", tmp_path / "cards")
    assert "needs its model hf:me/gone" in message
    assert "naming it downloads it (--model hf:me/gone)" in message


def test_convert_takes_a_foreign_folder_and_refuses_to_write_over_something_else(tmp_path: Path) -> None:
    source = shared("reference", "transformers-clip")
    assert clipdex("models", "convert", source, tmp_path / "ours")[0] == 0
    same = load_encoder(source, device="cpu")
    assert load_encoder(tmp_path / "ours", device="cpu").fingerprint == same.fingerprint
    assert clipdex("models", "convert", source, tmp_path / "silent", "--tokenizer", "none")[0] == 0
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_encoder(tmp_path / "silent", device="cpu").encode_texts(["red"])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    assert "already exists and is not a model directory" in fails("models", "convert", source, tmp_path / "photos")
    assert "there is no file" in fails("models", "convert", source, tmp_path / "x", "--tokenizer", "nowhere.json")


def test_a_vocabulary_of_the_hub_can_be_named_and_offline_says_so(tmp_path: Path, model: Path) -> None:
    message = fails("models", "convert", model, tmp_path / "x", "--tokenizer", "hf:openai/clip-vit-base-patch32")
    assert message.startswith("the vocabulary of openai/clip-vit-base-patch32 is not on this machine")
    assert message.endswith("name another file with --tokenizer PATH")


def test_the_table_in_the_documentation_is_the_registry() -> None:
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert documented() in page, "`python -m tests.app.cli.test_models` writes the table into docs/models.md"


def documented() -> str:
    """The registry as a Markdown table."""
    from app.cli.model_table import COLUMNS, row

    cells = [
        [cell for name, cell in zip(COLUMNS, row(each, False), strict=True) if name != "here"] for each in DESCRIPTIONS
    ]
    lines = [[name for name in COLUMNS if name != "here"], ["---"] * 9]
    for each, line in zip(DESCRIPTIONS, cells, strict=True):
        lines.append([f"`{each.name}`", *line[1:-1], f"[{each.repo}]({each.page})"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    path = ROOT / "docs" / "models.md"
    before, start, rest = path.read_text("utf-8").partition("<!-- the registry -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    path.write_text(before + start + documented() + end + after, "utf-8")


def test_export_writes_another_format_and_says_what_is_different_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    save_model(source, *small_model(), card="", origin={})
    code, out, err = clipdex("models", "export", source, tmp_path / "out", "--format", "transformers")
    assert (code, err) == (0, "")
    first, *notes = out.splitlines()
    assert first == f"small-vit is in {tmp_path / 'out'}, in the format transformers"
    assert len(notes) == 3
    assert all(note.startswith("differently there: ") for note in notes)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "clip"
    code, out, _ = clipdex("models", "show", tmp_path / "out", "--json")
    assert (code, json.loads(out)["format"]) == (0, "transformers")


def test_export_refuses_what_a_format_cannot_hold(tmp_path: Path) -> None:
    save_model(tmp_path / "m", *small_model("small_resnet"), card="", origin={})
    message = fails("models", "export", tmp_path / "m", tmp_path / "out", "--format", "openclip")
    assert "image tower of the kind 'small_resnet', which the format openclip does not know" in message
    assert "choose one of: onnx, openclip, transformers" in fails(
        "models", "export", tmp_path / "m", tmp_path / "out", "--format", "gguf"
    )
    assert "is not a CLIP model of ours" in fails("models", "export", "toy", tmp_path / "out", "-f", "onnx")
    assert not (tmp_path / "out").exists()


def test_convert_takes_what_a_source_leaves_open(tmp_path: Path) -> None:
    source = copied(OPENCLIP, tmp_path / "m", open_clip_config={"preprocess_cfg": None})
    options = ("--tokenizer", "none")
    assert "name them with --preprocess: openai" in fails("models", "convert", source, tmp_path / "a", *options)
    assert clipdex("models", "convert", source, tmp_path / "a", *options, "--preprocess", "openai")[0] == 0
    assert read_config(tmp_path / "a").preprocess.resize == "shortest"
    given = OPENCLIP / "open_clip_config.json"
    assert clipdex("models", "convert", source, tmp_path / "b", *options, "--preprocess", given)[0] == 0
    assert read_config(tmp_path / "b").preprocess.resize == "squash"

    alone = tmp_path / "epoch_3.safetensors"
    shutil.copyfile(OPENCLIP / "open_clip_model.safetensors", alone)
    assert "--config" in fails("models", "convert", alone, tmp_path / "c", *options)
    assert clipdex("models", "convert", alone, tmp_path / "c", *options, "--config", given)[0] == 0
    assert fingerprint(tmp_path / "c") == fingerprint(tmp_path / "b")
