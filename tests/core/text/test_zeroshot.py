"""Are prompts, classifier and probabilities those of the paper's own code?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from core.errors import ConfigError, QueryError
from core.inference.load import load_encoder
from core.text.zeroshot import classifier, classify, probabilities, templates
from tests.core.openai_weights import TOWERS, golden_clip
from tests.shared import ROOT, shared


class GoldenEncoder:
    """OpenAI's reference model behind the encoder interface; the "texts" are the names of recorded token rows."""

    name, fingerprint, dim = "golden", "0" * 64, 64
    decode_side: int | None = None

    def __init__(self) -> None:
        self.numbers = dict(np.load(TOWERS / "zeroshot.npz"))
        self.clip = golden_clip("openai-vit")
        self.logit_scale = float(self.clip.logit_scale.detach().exp())

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        places = [tuple(map(int, text.split("/"))) for text in texts]  # "template/class"
        ids = np.stack([self.numbers["token_ids"][c, t] for t, c in places])
        with torch.inference_mode():
            return torch.nn.functional.normalize(self.clip.encode_text(torch.from_numpy(ids)), dim=-1).numpy()

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        raise NotImplementedError

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        raise NotImplementedError

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.nn.functional.normalize(self.clip.encode_image(torch.from_numpy(pixels)), dim=-1).numpy()

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        raise NotImplementedError


def test_the_classifier_and_its_probabilities_are_openais() -> None:
    encoder = GoldenEncoder()
    weights = classifier(encoder, ["0", "1", "2", "3"], ["0/{}", "1/{}", "2/{}"])
    assert np.abs(weights.T - encoder.numbers["classifier_weights"]).max() <= 2e-6
    pixels = np.load(TOWERS / "openai-vit.npz")["pixels"]
    cosines = encoder.encode_prepared(pixels) @ weights.T
    assert np.abs(cosines - encoder.numbers["cosine"]).max() <= 2e-6
    assert np.abs(encoder.logit_scale * cosines - encoder.numbers["logits_model_scale"]).max() <= 3e-5
    assert np.abs(probabilities(100, cosines) - encoder.numbers["probs"]).max() <= 2e-5


def test_synonyms_and_templates_all_count_equally() -> None:
    toy = load_encoder("toy")
    prompts = ["a {}", "one {} here"]
    found = classifier(toy, [["red dog", "crimson hound"], ["ship"]], prompts)
    texts = ["a red dog", "one red dog here", "a crimson hound", "one crimson hound here"]
    mean = toy.encode_texts(texts).astype(np.float64).mean(0)
    assert found[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-7)
    assert found.shape == (2, toy.dim)
    assert found.dtype == np.float32


def test_many_prompts_are_encoded_in_pieces_with_the_same_result() -> None:
    toy = load_encoder("toy")
    names = [[f"thing {i}", f"item {i}"] for i in range(30)]
    together = classifier(toy, names, templates("80"))  # 4,800 prompts
    alone = np.concatenate([classifier(toy, [name], templates("80")) for name in names])
    assert (together == alone).all()


def test_the_published_templates_are_complete_and_named_with_their_source() -> None:
    assert len(templates("80")) == len(set(templates("80"))) == 80
    assert set(templates("7")) < set(templates("80"))
    assert len(templates("7")) == 7
    assert templates("1") == ["a photo of a {}."]
    assert all(t.count("{}") == 1 for which in ("80", "7", "1") for t in templates(which))
    source = json.loads((ROOT / "core" / "text" / "prompts.json").read_text())["source"]
    assert "openai/CLIP" in source


def test_the_published_templates_are_the_originals_in_their_order() -> None:
    folder = shared("reference", "zeroshot")
    assert templates("80") == json.loads((folder / "openai_imagenet_templates.json").read_text())
    assert templates("7") == json.loads((folder / "openai_imagenet_templates_7.json").read_text())


def test_templates_may_come_from_a_file_and_each_line_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\ufeffa drawing of {}\n\n  {} in the snow \n", "utf-8")
    assert templates(file) == templates(str(file)) == ["a drawing of {}", "{} in the snow"]
    for content, message in (
        ("a photo", "exactly one {} where the name goes, not 'a photo'"),
        ("{} and {}", "not '{} and {}'"),
        ("{} {0}", "not '{} {0}'"),
        ("{name}", "not '{name}'"),
        ("\n", "but it is empty"),
    ):
        file.write_text(content)
        with pytest.raises(ConfigError) as caught:
            templates(file)
        assert message in str(caught.value)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        templates(file)
    with pytest.raises(ConfigError, match=r"unknown templates '81'; choose one of: .*, or the path of a text file"):
        templates("81")


def test_pictures_are_labelled_best_first_with_probabilities_that_sum_to_one() -> None:
    toy = load_encoder("toy")
    pictures = [Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")]
    answers = classify(toy, pictures, ["green", "blue", "dog", "red"], templates("7"))
    assert [answer[0].name for answer in answers] == ["red", "blue"]
    assert [label.name for label in answers[0]] == ["red", "green", "blue", "dog"]  # ties keep the order given
    for answer in answers:
        assert [label.score for label in answer] == sorted((label.score for label in answer), reverse=True)
        assert sum(label.probability for label in answer) == pytest.approx(1)
    weights = classifier(toy, ["red"], templates("7"))
    assert answers[0][0].score == pytest.approx(float(toy.encode_images(pictures)[0] @ weights[0]), abs=1e-6)
    assert classify(toy, [], ["a", "b"], ["{}"]) == []


def test_labels_that_cannot_be_told_apart_or_read_are_refused() -> None:
    toy = load_encoder("toy")
    for labels, message in (
        (["cat", "dog", "cat"], "'cat' is given more than once"),
        (["cat", "  "], "none may be blank"),
        (["cat"], "only the label 'cat': give at least two"),
        ("cat", "labels are several, in a list such as"),
        ([], "at least one label"),
    ):
        with pytest.raises(QueryError, match=message):
            classify(toy, [Image.new("RGB", (4, 4))], labels, ["{}"])
    with pytest.raises(QueryError, match="at least one template"):
        classify(toy, [], ["cat", "dog"], [])
    with pytest.raises(QueryError, match="at least one label"):
        classifier(toy, [[]], ["{}"])


@given(arrays(np.float32, (3, 5), elements=st.floats(-1, 1, width=32)), st.floats(0.1, 1000))
def test_probabilities_are_a_softmax_of_any_cosines_and_scale(cosines: np.ndarray, scale: float) -> None:
    found = probabilities(scale, cosines)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found >= 0).all()
    expected = torch.softmax(scale * torch.from_numpy(cosines).double(), dim=-1).numpy()
    assert found == pytest.approx(expected, abs=1e-12)
