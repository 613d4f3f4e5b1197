"""Does a converted checkpoint compute what its origin computes, from every format and file variant?

Golden numbers were recorded from openai/CLIP, OpenCLIP and transformers (shared/reference/README.md). A wrong
activation costs 0.016, a wrong head count more than 1, a wrong epsilon of the layer norms 2e-5.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import ModelError
from core.formats.convert import Converted, convert, save
from core.formats.model_dir import fingerprint, load_clip
from core.model.clip import CLIP
from tests.core.formats.convert.archives import openai_archive
from tests.core.formats.convert.sources import (
    FEATURE,
    LOGIT,
    OPENCLIP,
    RESNET_FEATURE,
    TOWERS,
    TRANSFORMERS,
    copied,
    numbers,
    openai_weights,
)
from tests.shared import shared
from tests.torchvision_beside import import_torchvision


def json_of(path: Path) -> Any:
    return json.loads(path.read_text())


@torch.inference_mode()
def check(clip: CLIP, expected: dict[str, Tensor], image_limit: float = FEATURE) -> None:
    images, texts, scale = clip(expected["pixels"], expected["token_ids"])
    found = {
        "image_features": (clip.encode_image(expected["pixels"]), image_limit),
        "text_features": (clip.encode_text(expected["token_ids"]), FEATURE),
        "logits_per_image": (scale * images @ texts.T, LOGIT),
    }
    for name, (value, limit) in found.items():
        if name in expected:
            assert value.shape == expected[name].shape
            assert (value - expected[name]).abs().max() <= limit, name


@pytest.mark.parametrize("name", ["openai-vit", "openai-resnet"])
@pytest.mark.parametrize("container", ["zip", "stream", "torchscript", "finetuned"])
def test_an_openai_file_gives_openais_features(tmp_path: Path, name: str, container: str) -> None:
    weights, path = openai_weights(name), tmp_path / "ViT-tiny.pt"
    match container:
        case "torchscript":
            openai_archive(path, weights, resolution=64)
        case "finetuned":
            torch.save({"epoch": 3, "model_state_dict": {f"module.{k}": v for k, v in weights.items()}}, path)
        case _:
            torch.save(weights, path, _use_new_zipfile_serialization=container == "zip")
    converted = convert(path, tokenizer="none")
    assert (converted.format, converted.config.name, converted.tokenizer) == ("openai", "ViT-tiny", None)
    check(converted.clip(), numbers(TOWERS / f"{name}.npz"), RESNET_FEATURE if name == "openai-resnet" else FEATURE)


def test_weights_keep_the_precision_of_the_source(tmp_path: Path) -> None:
    weights = openai_weights("openai-vit")
    torch.save(weights, tmp_path / "m.pt")
    converted = convert(tmp_path / "m.pt", tokenizer="none")
    assert converted.weights["visual.patch_embedding.weight"].dtype == weights["visual.conv1.weight"].dtype
    assert torch.equal(converted.weights["text.projection.weight"], weights["text_projection"].T)
    assert converted.weights["text.position_embedding"].dtype == torch.float32


@pytest.mark.parametrize("variant", ["safetensors", "bin", "epoch", "compiled", "custom text", "scale of shape [1]"])
def test_an_openclip_model_gives_openclips_features(tmp_path: Path, variant: str) -> None:
    folder, source = copied(OPENCLIP, tmp_path / "m"), tmp_path / "m"
    file = folder / "open_clip_model.safetensors"
    weights = load_file(file)
    if variant == "custom text":
        weights = {k if k.startswith(("visual.", "logit")) else f"text.{k}": v for k, v in weights.items()}
        save_file(weights, file)
    elif variant == "scale of shape [1]":
        save_file(weights | {"logit_scale": weights["logit_scale"].reshape(1)}, file)
    elif variant != "safetensors":
        file.unlink()
        prefix = {"bin": "", "epoch": "module.", "compiled": "module._orig_mod."}[variant]
        state = {prefix + name: tensor for name, tensor in weights.items()}
        if variant == "bin":
            torch.save(state, folder / "open_clip_pytorch_model.bin")
        else:
            source = folder / "epoch_3.pt"
            torch.save({"epoch": 3, "name": "run", "state_dict": state, "optimizer": {"state": {}}}, source)
    converted = convert(source, tokenizer="none")
    assert converted.format == "openclip"
    rules = converted.config.preprocess
    assert (rules.mean, rules.std, rules.interpolation, rules.resize) == ((0.5,) * 3, (0.5,) * 3, "bilinear", "squash")
    check(converted.clip(), numbers(OPENCLIP / "expected.npz"))


@pytest.mark.parametrize("variant", ["safetensors", "bin", "old bin", "shards", "bin shards"])
def test_a_transformers_model_gives_transformers_features(tmp_path: Path, variant: str) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m")
    file = folder / "model.safetensors"
    weights: dict[str, Any] = load_file(file)
    if variant != "safetensors":
        file.unlink()
    if variant.endswith("bin"):
        weights |= {f"{tower}_model.embeddings.position_ids": torch.arange(9)[None] for tower in ("text", "vision")}
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=variant == "bin")
    elif "shards" in variant:
        parts = {"a": dict(list(weights.items())[::2]), "b": dict(list(weights.items())[1::2])}
        ending, stem = ("safetensors", "model") if variant == "shards" else ("bin", "pytorch_model")
        places = {name: f"{part}.{ending}" for part, tensors in parts.items() for name in tensors}
        for part, tensors in parts.items():
            (save_file if ending == "safetensors" else torch.save)(tensors, folder / f"{part}.{ending}")
        (folder / f"{stem}.{ending}.index.json").write_text(str({"weight_map": places}).replace("'", '"'))
    converted = convert(folder)
    expected = numbers(TRANSFORMERS / "expected.npz")
    check(converted.clip(), expected)
    with torch.inference_mode():
        above = converted.clip().encode_text(expected["token_ids_above_eos"])
        padded = converted.clip().encode_text(expected["token_ids_pad_eos"])
    assert (above - expected["text_features_above_eos"]).abs().max() <= FEATURE
    assert (padded - expected["text_features"]).abs().max() <= FEATURE


def test_transformers_texts_give_its_ids_and_features() -> None:
    converted, expected = convert(TRANSFORMERS), numbers(TRANSFORMERS / "expected.npz")
    texts = [case["text"] for case in json_of(TRANSFORMERS / "tokenizer_expected.json")["texts"]]
    assert converted.tokenizer is not None
    ids = converted.tokenizer.encode(texts)
    length = expected["texts_ids"].shape[1]
    assert (ids[:, :length] == expected["texts_ids"].numpy()).all()
    with torch.inference_mode():
        features = converted.clip().encode_text(torch.from_numpy(ids))
    assert (features - expected["texts_features"]).abs().max() <= FEATURE


@pytest.mark.parametrize("kind", ["openclip", "transformers", "openai"])
def test_a_saved_conversion_is_the_same_model_to_the_last_digit(tmp_path: Path, kind: str) -> None:
    torch.save(openai_weights("openai-vit"), tmp_path / "openai.pt")
    sources = {"openclip": OPENCLIP, "transformers": TRANSFORMERS, "openai": tmp_path / "openai.pt"}
    converted = convert(sources[kind], tokenizer=None if kind == "transformers" else "none")
    saved = save(converted, tmp_path / "saved", origin={"revision": "abc"})
    before, after = converted.clip().state_dict(), load_clip(saved).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert fingerprint(saved) == converted.fingerprint()
    again = convert(saved)
    assert (again.format, again.config, again.fingerprint()) == ("clipdex", converted.config, converted.fingerprint())
    origin = json_of(saved / "origin.json")
    assert origin["format"] == kind and origin["revision"] == "abc"
    assert all(len(digest) == 64 for digest in origin["sha256"].values()) and origin["sha256"]


SHARED_SOURCES = [
    *("openai-vit/state_dict_fp32.pt", "openai-vit/state_dict_fp16.pt", "openai-vit/torchscript_fp16.pt"),
    *("openai-resnet/state_dict_fp32.pt", "openai-resnet/torchscript_fp16.pt"),
    *("openclip-vit", "openclip-vit/epoch_3.pt", "openclip-resnet-quick"),
    *("transformers-clip", "transformers-clip-bin", "transformers-clip-fp16", "transformers-clip-sharded"),
]


def shared_conversion(source: str) -> tuple[Converted, dict[str, Tensor]]:
    """A reference model and its recorded numbers; some folders have no tokenizer or preprocessing of their own."""
    path, folder = shared("reference", *source.split("/")), source.split("/")[0]
    given: dict[str, Any] = {"tokenizer": "none"}
    if folder == "transformers-clip":
        given = {}
    elif folder.startswith("transformers-clip"):
        given = {"tokenizer": TRANSFORMERS / "tokenizer.json"}
        if folder != "transformers-clip-bin":
            given["preprocess"] = TRANSFORMERS / "preprocessor_config.json"
    own = (path if path.is_dir() else path.parent) / "expected.npz"
    expected = numbers(TRANSFORMERS / "expected.npz") if folder.startswith("transformers-clip") else {}
    if own.exists():  # the half precision folder has features of its own for the inputs of the other one
        inputs = {name: expected[name] for name in ("pixels", "token_ids") if name in expected}
        expected = inputs | numbers(own)
    return convert(path, **given), expected


@pytest.mark.parametrize("source", SHARED_SOURCES)
def test_every_reference_file_gives_its_origins_features(source: str) -> None:
    converted, expected = shared_conversion(source)
    check(converted.clip(), expected, RESNET_FEATURE if "resnet" in source else FEATURE)


@pytest.mark.parametrize("source", ["openclip-vit", "transformers-clip", "openclip-resnet-quick"])
@torch.inference_mode()
def test_every_stage_is_the_origins(source: str) -> None:
    converted, expected = shared_conversion(source)
    clip, seen = converted.clip(), {}
    visual, text = clip.visual, clip.text
    stages: dict[str, Any] = {"t_block0": text.blocks[0], "t_block_last": text.blocks[-1]}  # type: ignore[index]
    if "resnet" in source:
        stages |= {"v_stem": visual.stem} | {f"v_layer{i + 1}": stage for i, stage in enumerate(visual.stages)}  # type: ignore[arg-type]
    else:
        stages |= {"v_conv1": visual.patch_embedding, "v_ln_pre": visual.norm_pre, "v_block0": visual.blocks[0]}  # type: ignore[index]
        stages |= {"v_block_last": visual.blocks[-1]}  # type: ignore[index]
    for name, stage in stages.items():
        stage.register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output}))
    clip(expected["pixels"], expected["token_ids"])
    for name, output in seen.items():
        found = output[2 if name.startswith("t_") else 0]
        assert (found - expected[name]).abs().max() <= RESNET_FEATURE, name
    assert seen.keys() == stages.keys()


def test_the_legacy_transformers_folder_needs_its_vocabulary_to_know_where_a_text_ends() -> None:
    folder = shared("reference", "transformers-clip-bin")
    with pytest.raises(ModelError, match="eos_token_id is the legacy 2, which leaves the end-of-text id open"):
        convert(folder, tokenizer="none")
    converted = convert(folder, tokenizer=TRANSFORMERS / "tokenizer.json")
    assert converted.config.clip.text.eot_id == 639
    rules = converted.config.preprocess
    assert (rules.mean, rules.convert, rules.crop_rounding) == ((0.48, 0.46, 0.41), "on_white", "floor")


@pytest.mark.parametrize("size", ["small", "ViT-B/32", "ViT-L/14"])
def test_random_models_of_transformers_agree(tmp_path: Path, size: str) -> None:
    import_torchvision()
    import transformers

    options = {
        "small": (
            {"hidden_size": 64, "num_hidden_layers": 3},
            {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2},
            32,
        ),
        "ViT-B/32": ({}, {}, 512),
        "ViT-L/14": (
            {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 2, "intermediate_size": 3072},
            {
                "hidden_size": 1024,
                "num_attention_heads": 16,
                "num_hidden_layers": 2,  # of 24: ViT-B/32 is whole
                "intermediate_size": 4096,
                "patch_size": 14,
            },
            768,
        ),
    }
    text, vision, dim = options[size]
    torch.manual_seed(7)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=dim)
    theirs = transformers.CLIPModel(config).eval()
    theirs.save_pretrained(tmp_path / "m")
    ours = convert(tmp_path / "m", tokenizer="none", preprocess="openai").clip()
    generator = np.random.default_rng(8)
    pixels = torch.from_numpy(generator.standard_normal((1, 3, 224, 224), np.float32))
    ids = torch.tensor([[49406, 320, 1125, 539, 320, 2368, 49407]])
    with torch.inference_mode():
        out = theirs(input_ids=ids, pixel_values=pixels)
        images, texts, _ = ours(pixels, ids)
    assert (images - out.image_embeds).abs().max() <= 1e-5
    assert (texts - out.text_embeds).abs().max() <= 1e-5
