"""Do models of the package transformers give the vectors that the package itself gives?"""

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

from core.errors import ConfigError, MissingExtraError, ModelError
from core.inference.families.encoder import FamilyEncoder
from core.inference.load import load_encoder, stable_name
from core.text.zeroshot import classify
from tests.core.hub_server import COMMIT
from tests.core.inference.families.models import LENGTH, SIDE, TRANSFORMERS, transformers_folder

TEXTS = ["a photo of a red dog", "the blue sea", "Beach!", "", "a red dog on the beach " * 9]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return transformers_folder("siglip", tmp_path_factory.mktemp("families") / "siglip")


@pytest.fixture
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(5)
    sizes = [(40, 30), (33, 90), (64, 64), (200, 20)]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("transformers", "open_clip"):
        monkeypatch.setitem(sys.modules, name, None)


def load(folder: Path) -> FamilyEncoder:
    encoder = load_encoder(f"transformers:{folder}", device="cpu")
    assert isinstance(encoder, FamilyEncoder)
    return encoder


@torch.inference_mode()
def theirs(kind: str, folder: Path, pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Unit vectors of images and texts, and logits, from the package's own classes and forward pass."""
    import transformers as t

    name = "BlipForImageTextRetrieval" if kind == "blip" else "AutoModel"
    model = getattr(t, name).from_pretrained(folder).eval()
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    pixels = t.AutoImageProcessor.from_pretrained(folder, backend="pil")(pictures, return_tensors="pt")
    padding = "max_length" if kind == "siglip" else True
    inputs = tokenizer(TEXTS, padding=padding, truncation=True, max_length=LENGTH, return_tensors="pt")
    if kind == "blip":
        found = model(**inputs, pixel_values=pixels["pixel_values"][:1], use_itm_head=False)
        text = torch.nn.functional.normalize(model.text_proj(found.question_embeds[:, 0]), dim=-1)
        states = model.vision_model(pixels["pixel_values"]).last_hidden_state[:, 0]
        image = torch.nn.functional.normalize(model.vision_proj(states), dim=-1)
        assert (found.itm_score - image[:1] @ text.T).abs().max() <= 1e-6
        return image.numpy(), text.numpy(), (image @ text.T).numpy()
    found = model(**inputs, **pixels)
    unit = [torch.nn.functional.normalize(each, dim=-1).numpy() for each in (found.image_embeds, found.text_embeds)]
    return unit[0], unit[1], found.logits_per_image.numpy()


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_every_kind_gives_the_vectors_and_logits_of_its_own_forward_pass(
    kind: str, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    folder = transformers_folder(kind, tmp_path / kind)
    encoder = load(folder)
    images, texts, logits = theirs(kind, folder, pictures)
    assert np.abs(encoder.encode_images(pictures) - images).max() <= 2e-6
    assert np.abs(encoder.encode_texts(TEXTS) - texts).max() <= 2e-6
    ours = encoder.logit_scale * encoder.encode_images(pictures) @ encoder.encode_texts(TEXTS).T
    assert np.abs(ours + (encoder.logit_bias or 0) - logits).max() <= 5e-5
    assert (encoder.logit_bias is not None) == (kind == "siglip")
    assert encoder.truncation(TEXTS)[:4] == [None] * 4
    assert encoder.truncation(TEXTS)[4] in {"a", "red", "dog", "on", "the", "beach"}
    assert np.abs(images[0] - images[1]).max() > 0.01
    assert np.abs(texts[0] - texts[1]).max() > 0.01


def test_pictures_of_any_mode_are_prepared(siglip: Path) -> None:
    encoder = load(siglip)
    for mode in ("L", "RGBA", "P", "CMYK", "1", "I;16"):
        assert encoder.prepare(Image.new(mode, (50, 40))).shape == (SIDE, SIDE, 3)


def test_a_model_trained_with_a_sigmoid_gives_each_label_its_own_probability(
    siglip: Path, pictures: list[Image.Image]
) -> None:
    encoder = load(siglip)
    few, more = (classify(encoder, pictures[:1], labels, ["{}"])[0] for labels in (["dog"], ["dog", "sea", "beach"]))
    dog = next(label for label in more if label.name == "dog")
    assert encoder.logit_bias is not None
    expected = 1 / (1 + np.exp(-(encoder.logit_scale * dog.score + encoder.logit_bias)))
    assert few[0].probability == pytest.approx(dog.probability) == pytest.approx(expected, rel=1e-5)


def test_the_fingerprint_is_over_weights_configuration_preparation_and_tokenizer(siglip: Path, tmp_path: Path) -> None:
    same = shutil.copytree(siglip, tmp_path / "same")
    config = json.loads((same / "config.json").read_text())
    (same / "config.json").write_text(json.dumps(config | {"transformers_version": "99", "_name_or_path": "x"}))
    fingerprints = {load(siglip).fingerprint}
    assert load(same).fingerprint in fingerprints
    for change in ("weights", "preprocessor_config.json", "config.json"):
        other = shutil.copytree(siglip, tmp_path / f"other-{change}")
        if change == "weights":
            weights = load_file(other / "model.safetensors")
            weights["logit_scale"] = weights["logit_scale"] + 0.5
            save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
        else:
            options = json.loads((other / change).read_text())
            changes: dict[str, Any] = {"image_mean": [0.4, 0.5, 0.5]}
            if change == "config.json":
                changes = {"vision_config": options["vision_config"] | {"layer_norm_eps": 1e-3}}
            (other / change).write_text(json.dumps(options | changes))
        fingerprint = load(other).fingerprint
        assert fingerprint not in fingerprints, change
        fingerprints.add(fingerprint)


def test_missing_tensors_are_refused_where_the_package_would_draw_them_by_lot(siglip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(siglip, tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["text_model.head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 tensors missing: text_model\.head\.weight"):
        load(folder)


def test_what_cannot_be_used_is_refused_by_name(siglip: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(siglip, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    for kind, words in (("siglip2", "NaFlex"), ("gpt2", "known are: align, altclip, blip, ")):
        (folder / "config.json").write_text(json.dumps(config | {"model_type": kind}))
        with pytest.raises(ModelError, match=words):
            load(folder)
    with pytest.raises(ConfigError, match="'int8' is for models of clipdex"):
        load_encoder(f"transformers:{siglip}", precision="int8")
    for name, words in (
        ("transformers:", "names no model"),
        ("transformers:./nowhere", "there is no folder nowhere"),
        ("transformers:nowhere", "neither a folder nor OWNER/REPOSITORY"),
        ("transformers:me/nowhere", "is not on this machine"),
    ):
        with pytest.raises(ModelError, match=words):
            load_encoder(name, download=False)


def test_a_repository_in_the_hubs_cache_is_used_without_asking_anybody(siglip: Path) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    place = Path(HF_HUB_CACHE) / "models--me--siglip"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    shutil.copytree(siglip, place / "snapshots" / COMMIT)
    encoder = load_encoder("transformers:me/siglip", device="cpu", download=False)
    assert (encoder.name, encoder.fingerprint) == ("transformers:me/siglip", load(siglip).fingerprint)
    pinned = load_encoder(f"transformers:me/siglip@{COMMIT}", device="cpu", download=False)
    assert pinned.fingerprint == encoder.fingerprint


def test_a_collection_finds_a_folder_of_another_family_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    monkeypatch.chdir(tmp_path)
    assert stable_name("transformers:m") == f"transformers:{tmp_path / 'm'}"
    assert stable_name("openclip:ViT-B-16-SigLIP/webli") == "openclip:ViT-B-16-SigLIP/webli"


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_package_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(
        MissingExtraError, match=r"needs the package transformers: pip install 'clipdex\[transformers\]'"
    ):
        load_encoder("transformers:google/siglip-base-patch16-224")
    with pytest.raises(
        MissingExtraError, match=r"needs the package open_clip_torch: pip install 'clipdex\[openclip\]'"
    ):
        load_encoder("openclip:ViT-B-16-SigLIP/webli")


def test_bf16_stays_close_to_fp32(siglip: Path, pictures: list[Image.Image]) -> None:
    exact = load(siglip).encode_images(pictures)
    fast = load_encoder(f"transformers:{siglip}", device="cpu", precision="bf16").encode_images(pictures)
    assert 0.999 < float((exact * fast).sum(axis=1).min()) < 1
