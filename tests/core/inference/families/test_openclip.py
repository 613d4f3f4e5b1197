"""Do models of the package open_clip_torch give the vectors that the package itself gives?"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from core.errors import ConfigError, ModelError
from core.inference.families.encoder import FamilyEncoder
from core.inference.load import load_encoder
from tests.core.hub_server import COMMIT
from tests.core.inference.families.models import OPENCLIP, openclip_folder
from tests.torchvision_beside import import_torchvision

TEXTS = ["a photo of a red dog", "the blue sea", "It's a BEACH!", "", "a red dog on the beach " * 9]

pytestmark = pytest.mark.filterwarnings("ignore")  # timm's and torchvision's own


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return openclip_folder("siglip", tmp_path_factory.mktemp("families") / "siglip")


@pytest.fixture
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(5)
    coloured = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in [(90, 70), (65, 91)]]
    return [*coloured, coloured[0].convert("L"), coloured[1].convert("RGBA"), coloured[0].resize((30, 20))]


@pytest.mark.parametrize("kind", OPENCLIP)
def test_every_family_gives_the_pixels_and_vectors_of_the_package(
    kind: str, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    folder = openclip_folder(kind, tmp_path / kind)
    import open_clip

    encoder = load_encoder(f"openclip:{folder}", device="cpu")
    assert isinstance(encoder, FamilyEncoder)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        pixels = torch.stack([transform(picture) for picture in pictures])
        images = model.encode_image(pixels, normalize=True).numpy()
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), normalize=True).numpy()
    prepared = np.stack([encoder.prepare(picture) for picture in pictures])
    values = np.stack([encoder.family.table[c][prepared[..., c]] for c in range(3)], axis=1)
    assert (values == pixels.numpy()).all()
    assert np.abs(encoder.encode_images(pictures) - images).max() <= 2e-6
    assert np.abs(encoder.encode_texts(TEXTS) - texts).max() <= 2e-6
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.exp()))
    assert encoder.logit_bias == (-2.5 if kind.startswith("siglip") else None)
    assert encoder.truncation(TEXTS)[:4] == [None] * 4
    assert encoder.truncation(TEXTS)[4] in {"a", "red", "dog", "on", "the", "beach"}
    assert np.abs(texts[0] - texts[1]).max() > 0.01


def test_a_published_name_is_found_in_the_hubs_cache_and_its_rules_are_the_packages(
    siglip: Path, tmp_path: Path
) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    source = shutil.copytree(siglip, tmp_path / "m")
    config = json.loads((source / "open_clip_config.json").read_text())
    config["preprocess_cfg"] = {}  # an old repository; the package knows better
    (source / "open_clip_config.json").write_text(json.dumps(config))
    place = Path(HF_HUB_CACHE) / "models--timm--ViT-B-32-SigLIP2-256"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    shutil.copytree(source, place / "snapshots" / COMMIT)
    name = "openclip:ViT-B-32-SigLIP2-256/webli"
    encoder = load_encoder(name, device="cpu", download=False)
    assert isinstance(encoder, FamilyEncoder)
    assert encoder.name == name
    assert encoder.family.facts["preprocess"]["resize"] == "squash"
    assert encoder.family.facts["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    itself = load_encoder("openclip:hf:timm/ViT-B-32-SigLIP2-256", device="cpu", download=False)
    assert isinstance(itself, FamilyEncoder)
    assert itself.family.facts["preprocess"]["resize"] == "shortest"
    assert itself.fingerprint != encoder.fingerprint


def test_unknown_names_list_the_near_ones() -> None:
    import_torchvision()
    for name, words in (
        (
            "openclip:ViT-B-32-SigLIP2/webli",
            "architecture of open_clip 'ViT-B-32-SigLIP2'; near are: .*ViT-B-32-SigLIP2-256",
        ),
        ("openclip:ViT-B-32-SigLIP2-256/weblii", "weights for ViT-B-32-SigLIP2-256 'weblii'; near are: webli"),
        ("openclip:RN50/cc12m_", "near are: cc12m"),
        ("openclip:", "say openclip:ARCHITECTURE/PRETRAINED"),
    ):
        with pytest.raises(ModelError, match=words):
            load_encoder(name, download=False)


def test_a_text_tower_that_lies_elsewhere_and_a_damaged_folder_are_refused(siglip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(siglip, tmp_path / "m")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_model_name"] = "xlm-roberta-base"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="described in another repository, 'xlm-roberta-base'"):
        load_encoder(f"openclip:{folder}")
    cut = shutil.copytree(siglip, tmp_path / "cut")
    file = cut / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded by open_clip"):
        load_encoder(f"openclip:{cut}")
    empty = shutil.copytree(siglip, tmp_path / "empty")
    (empty / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        load_encoder(f"openclip:{empty}")


def fingerprint(folder: Path) -> str:
    return load_encoder(f"openclip:{folder}", device="cpu").fingerprint


def change_json(file: Path, place: tuple[str, ...], value: Any) -> None:
    options = json.loads(file.read_text("utf-8"))
    inner = options
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    file.write_text(json.dumps(options), "utf-8")


CHANGES: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "pixels": ("open_clip_config.json", ("preprocess_cfg", "mean"), [0.4, 0.5, 0.5]),
    "towers": ("open_clip_config.json", ("model_cfg", "text_cfg", "norm_kwargs"), {"eps": 1e-3}),
    "texts": ("open_clip_config.json", ("model_cfg", "text_cfg", "tokenizer_kwargs"), {"clean": "lower"}),
}


def test_the_fingerprint_is_over_weights_configuration_preparation_and_tokenizer(siglip: Path, tmp_path: Path) -> None:
    found = {"itself": fingerprint(siglip)}
    assert fingerprint(shutil.copytree(siglip, tmp_path / "elsewhere")) == found["itself"]
    for what, change in CHANGES.items():
        other = shutil.copytree(siglip, tmp_path / what)
        change_json(other / change[0], *change[1:])
        found[what] = fingerprint(other)
    other = shutil.copytree(siglip, tmp_path / "weights")
    weights = load_file(other / "open_clip_model.safetensors")
    save_file(weights | {"logit_bias": weights["logit_bias"] + 0.5}, other / "open_clip_model.safetensors")
    found["weights"] = fingerprint(other)
    assert len(set(found.values())) == len(found)


REFUSED: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "another size": (("model_cfg", "embed_dim"), 48, "cannot be loaded by open_clip: .*size mismatch"),
    "another depth": (("model_cfg", "text_cfg", "layers"), 3, "cannot be loaded by open_clip: .*Missing key"),
    "another tower": (("model_cfg", "vision_cfg", "timm_model_name"), "resnet10t", "cannot be loaded by open_clip"),
    "an unknown tower": (("model_cfg", "vision_cfg", "timm_model_name"), "nonsense", "Unknown model .nonsense"),
    "weights from elsewhere": (("model_cfg", "vision_cfg", "timm_model_pretrained"), True, "weights of a tower from"),
    "no texts": (("model_cfg", "text_cfg"), None, "no model_cfg with a vision_cfg and a text_cfg"),
    "another colour": (("preprocess_cfg",), {"resize_mode": "longest", "fill_color": 9}, "padded with black"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_model_that_is_not_what_its_configuration_says_is_refused(what: str, siglip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(siglip, tmp_path / "m")
    place, value, words = REFUSED[what]
    change_json(folder / "open_clip_config.json", place, value)
    with pytest.raises(ModelError, match=words):
        load_encoder(f"openclip:{folder}", device="cpu")


def test_pictures_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    folder = openclip_folder("convnext", tmp_path / "m")  # a tower that takes any size
    change_json(folder / "open_clip_config.json", ("model_cfg", "vision_cfg", "image_size"), [64, 96])
    with pytest.raises(ModelError, match=r"images of \[64, 96\] pixels are not square"):
        load_encoder(f"openclip:{folder}", device="cpu")


def test_fewer_bits_stay_close_and_bytes_are_refused(siglip: Path, pictures: list[Image.Image]) -> None:
    exact = load_encoder(f"openclip:{siglip}", device="cpu").encode_images(pictures)
    fast = load_encoder(f"openclip:{siglip}", device="cpu", precision="bf16").encode_images(pictures)
    assert 0.999 < float((exact * fast).sum(axis=1).min()) < 1
    with pytest.raises(ConfigError, match="'int8' is for models of clipdex"):
        load_encoder(f"openclip:{siglip}", precision="int8")


def test_a_package_that_cannot_be_imported_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open_clip").mkdir()
    (tmp_path / "open_clip" / "__init__.py").write_text("raise RuntimeError('operator x::y does not exist')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "open_clip"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be imported \(operator x::y does not exist\); .* torchvision"):
        load_encoder(f"openclip:{tmp_path}")
