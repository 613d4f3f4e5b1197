"""Is each source recognised by what it holds, and is what it leaves open refused with the choice named?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ModelError
from core.formats.convert import FORMATS, convert, save
from core.formats.model_dir import save_model
from core.inference.clip_encoder import CLIPEncoder
from core.inference.load import load_encoder
from core.model.clip import CLIP
from core.model.config import PreprocessConfig
from core.model.init import initialise
from core.text.tokenizer import Tokenizer
from tests.core.formats.convert.sources import OPENCLIP, TRANSFORMERS, copied, openai_weights, rewritten
from tests.core.small_models import small_model
from tests.shared import shared


def test_each_format_is_in_the_registry() -> None:
    assert list(FORMATS) == ["openai", "openclip", "transformers", "clipdex", "clipdex run"]


# --- what is meant ---------------------------------------------------------------------------------------------------


def test_a_folder_of_two_formats_is_refused_naming_both_and_a_configuration_chooses(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, copied(OPENCLIP, tmp_path / "m"))
    with pytest.raises(ModelError, match=r"openclip \(open_clip_config\.json\) and transformers \(config\.json\)"):
        convert(folder)
    assert convert(folder / "open_clip_config.json", tokenizer="none").format == "openclip"
    assert convert(folder / "config.json").format == "transformers"


def test_what_is_no_model_is_answered_with_what_a_model_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model .*absent"):
        convert(tmp_path / "absent")
    with pytest.raises(ModelError, match=r"holds no model. A model is OpenAI's .pt file"):
        convert(tmp_path)
    torch.save(openai_weights("openai-vit"), tmp_path / "ViT.pt")
    with pytest.raises(ModelError, match=r"it holds ViT\.pt, which can be named itself"):
        convert(tmp_path)
    shutil.copy(OPENCLIP / "open_clip_model.safetensors", tmp_path / "alone.safetensors")
    with pytest.raises(ModelError, match="is not a model by itself, it is weights without a configuration"):
        convert(tmp_path / "alone.safetensors")
    shutil.copy(OPENCLIP / "open_clip_model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        convert(tmp_path)


def test_a_state_dict_of_openclip_alone_leaves_activation_and_heads_open(tmp_path: Path) -> None:
    weights = load_file(OPENCLIP / "open_clip_model.safetensors")
    ordered = sorted(weights, key=lambda name: ("ln_1" not in name, name))
    torch.save({"state_dict": {name: weights[name] for name in ordered}}, tmp_path / "epoch_1.pt")
    with pytest.raises(ModelError, match=r"its activation \(gelu or quick_gelu\) and head counts are open; put the"):
        convert(tmp_path / "epoch_1.pt", tokenizer="none")
    given = convert(tmp_path / "epoch_1.pt", tokenizer="none", config=OPENCLIP / "open_clip_config.json")
    assert given.clip().state_dict().keys() == convert(OPENCLIP, tokenizer="none").clip().state_dict().keys()


def test_a_folder_without_preprocessing_leaves_mean_and_deviation_open(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "t")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(
        ModelError, match=r"preprocessor_config\.json is missing, so mean, deviation and resizing.*open"
    ):
        convert(folder)
    assert convert(folder, preprocess="openai").config.preprocess == PreprocessConfig(image_size=64)
    other = copied(OPENCLIP, tmp_path / "o", open_clip_config={"preprocess_cfg": None})
    with pytest.raises(ModelError, match="has no preprocess_cfg, so mean and deviation of the images are open"):
        convert(other, tokenizer="none")


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    for number, (name, problem) in enumerate(
        {
            "model.safetensors": "holds none of model.safetensors",
            "tokenizer.json": None,  # vocab.json and merges.txt are there
            "config.json": r"config\.json is missing",
        }.items()
    ):
        folder = copied(TRANSFORMERS, tmp_path / str(number))
        (folder / name).unlink()
        if problem is None:
            assert convert(folder).tokenizer is not None
        else:
            with pytest.raises(ModelError, match=problem):
                convert(folder)
    folder = copied(TRANSFORMERS, tmp_path / "cut")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut short"):
        convert(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        convert(folder)


def test_shards_must_be_the_ones_that_the_index_promises(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = folder / "model.safetensors.index.json"

    def promise(places: dict[str, str]) -> None:
        index.write_text(str({"weight_map": places}).replace("'", '"'))

    promise(dict.fromkeys(weights, "a.safetensors") | {"logit_scale": "b.safetensors"})
    with pytest.raises(ModelError, match=r"1 of 2 files .* are missing: b\.safetensors"):
        convert(folder)
    save_file({"other": torch.zeros(1)}, folder / "b.safetensors")
    with pytest.raises(ModelError, match=r"a\.safetensors holds tensors that .* does not place there: logit_scale"):
        convert(folder)
    promise(dict.fromkeys([*weights, "lost"], "a.safetensors"))
    with pytest.raises(ModelError, match="1 tensors are in none of its files: lost"):
        convert(folder)
    promise(dict.fromkeys(weights, "../m/a.safetensors"))
    with pytest.raises(ModelError, match=r"names '\.\./m/a\.safetensors', which is not a file beside it"):
        convert(folder)


def test_a_half_precision_folder_is_read_with_its_own_rounding(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m")
    weights = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    converted = convert(folder)
    assert {tensor.dtype for tensor in converted.weights.values()} == {torch.float16}
    saved = save(converted, tmp_path / "saved")
    assert {tensor.dtype for tensor in load_file(saved / "model.safetensors").values()} == {torch.float16}


def test_a_transformers_model_with_nan_or_a_foreign_tensor_is_refused(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m")
    rewritten(folder / "model.safetensors", text_model__final_layer_norm__bias=torch.full((30,), torch.inf))
    with pytest.raises(ModelError, match=r"NaN or infinite numbers: text_model\.final_layer_norm\.bias"):
        convert(folder)
    rewritten(folder / "model.safetensors", lora__weight=torch.zeros(2), logit_scale=None)
    with pytest.raises(ModelError, match=r"1 tensors missing: logit_scale; 1 tensors unexpected: lora\.weight"):
        convert(folder)


def test_nothing_else_is_overwritten_by_saving(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m")
    with pytest.raises(ModelError, match="already exists and is not a model directory of clipdex"):
        save(convert(folder), folder)


# --- tokenizers, encoders, our own -----------------------------------------------------------------------------------


def test_a_model_without_a_tokenizer_encodes_pictures_and_says_why_no_texts(tmp_path: Path) -> None:
    torch.save(openai_weights("openai-vit"), tmp_path / "m.pt")
    converted = convert(tmp_path / "m.pt", tokenizer="none")
    encoder = CLIPEncoder(converted.clip(), converted.config, None, device="cpu", fingerprint=converted.fingerprint())
    with pytest.raises(ModelError, match="has no tokenizer"):
        encoder.encode_texts(["a dog"])


def test_a_vocabulary_of_another_size_is_refused_with_the_ways_on(tmp_path: Path) -> None:
    torch.save(openai_weights("openai-vit"), tmp_path / "m.pt")
    with pytest.raises(ModelError, match=r"knows 512 tokens, the vocabulary of .* has 640; name a tokenizer\.json"):
        convert(tmp_path / "m.pt", tokenizer=TRANSFORMERS / "tokenizer.json")
    with pytest.raises(ModelError, match=r"there is no file absent.json to take the tokenizer from"):
        convert(tmp_path / "m.pt", tokenizer="absent.json")


def test_the_published_vocabulary_makes_openais_and_openclips_tokenizers(tmp_path: Path) -> None:
    merges = shared("reference", "tokenizer", "bpe_simple_vocab_16e6.txt.gz")
    folder = copied(OPENCLIP, tmp_path / "m", open_clip_config={"model_cfg.text_cfg.vocab_size": 49408})
    weights = load_file(folder / "open_clip_model.safetensors")
    table = weights["token_embedding.weight"]
    rewritten(folder / "open_clip_model.safetensors", token_embedding__weight=table.repeat(97, 1)[:49408].clone())
    tokenizer = convert(folder, tokenizer=merges).tokenizer
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.ids("a photo of a cat") == [320, 1125, 539, 320, 2368]
    assert tokenizer.decode([49406]) == "<start_of_text>"
    tokenizer.save(tmp_path / "tokenizer.json")
    again = convert(folder, tokenizer=tmp_path / "tokenizer.json").tokenizer
    assert again is not None and again.to_json() == tokenizer.to_json()


def test_every_source_loads_as_an_encoder_with_the_fingerprint_it_has_when_saved(tmp_path: Path) -> None:
    direct = load_encoder(TRANSFORMERS, device="cpu")
    saved = load_encoder(save(convert(TRANSFORMERS), tmp_path / "saved"), device="cpu")
    assert direct.fingerprint == saved.fingerprint and len(direct.fingerprint) == 64
    assert direct.name == saved.name == "transformers-clip"
    # Not bit for bit: weights mapped at another place in a file are added up in another order.
    difference = direct.encode_texts(["two dogs"]) - saved.encode_texts(["two dogs"])
    assert abs(difference).max() < 1e-6


def test_a_run_folder_is_its_finished_model_or_its_newest_checkpoint(tmp_path: Path) -> None:
    clip, config, tokenizer = small_model()
    run = tmp_path / "run"
    for step, seed in ((9, 1), (10, 2), (100, 3)):
        (run / f"step-{step:07d}").mkdir(parents=True)
        save_file(initialise(CLIP(config.clip), seed).state_dict(), run / f"step-{step:07d}" / "model.safetensors")
        (run / f"step-{step:07d}" / "state.json").write_text("{}")
    with pytest.raises(ModelError, match=r"holds checkpoints but no config\.json and tokenizer\.json"):
        convert(run)
    (run / "config.json").write_text(config.model_dump_json())
    tokenizer.save(run / "tokenizer.json")

    def drawn(seed: int) -> torch.Tensor:
        return initialise(CLIP(config.clip), seed).state_dict()["text.projection.weight"]

    assert torch.equal(convert(run).weights["text.projection.weight"], drawn(3))
    assert torch.equal(convert(run / "step-0000009").weights["text.projection.weight"], drawn(1))
    save_model(run / "model", clip, config, tokenizer, card="", origin={}, dtype="float32")
    finished = convert(run)
    assert torch.equal(finished.weights["text.projection.weight"], clip.state_dict()["text.projection.weight"])
    assert finished.config == config
