"""Are the three measurements right on data whose answers are known?  The toy encoder knows colours and layout."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from core.errors import DataError
from core.inference.load import load_encoder
from train.data.sources import CaptionedData, ClassData
from train.evaluation import evaluate, metrics
from train.evaluation.probe import choose_l2, held_out

COLOURS = ("red", "green", "blue", "yellow", "white", "black")


def square(colour: str, rng: np.random.Generator) -> bytes:
    """A square of the colour with a patch of noise at a random place."""
    image = Image.new("RGB", (48, 48), colour)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    left, top = rng.integers(0, 32, 2)
    image.paste(noise, (int(left), int(top)))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def squares(a_class: int, seed: int = 0) -> ClassData:
    rng = np.random.default_rng(seed)
    labels = np.arange(a_class * len(COLOURS)) % len(COLOURS)
    return ClassData([square(COLOURS[i], rng) for i in labels], labels, [[colour] for colour in COLOURS])


def test_zero_shot_finds_every_colour_and_only_with_the_right_names() -> None:
    toy, data = load_encoder("toy"), squares(4)
    result = evaluate.zeroshot(toy, data, "7")
    assert (result.top1, result.top5, result.n, result.mean_per_class) == (1, 1, 24, 1)
    assert result.per_class == dict.fromkeys(COLOURS, 1.0)
    shifted = replace(data, names=data.names[1:] + data.names[:1])
    wrong = evaluate.zeroshot(toy, shifted, ["a {} square"])
    assert (wrong.top1, wrong.per_class["red"]) == (0, 0)


def test_classes_that_share_a_name_keep_their_own_line() -> None:
    data = replace(squares(1), names=[["crane"], ["crane", "lifting device"], *[[c] for c in COLOURS[2:]]])
    assert list(evaluate.zeroshot(load_encoder("toy"), data, "1").per_class)[:3] == ["crane (0)", "crane (1)", "blue"]


def test_retrieval_is_the_metric_of_all_cosines_in_both_directions() -> None:
    toy, rng = load_encoder("toy"), np.random.default_rng(1)
    images = [square(COLOURS[i % 6], rng) for i in range(18)]
    captions = [[f"a {COLOURS[i % 6]} square number {i}", "something else"][: 1 + i % 2] for i in range(18)]
    result = evaluate.retrieval(toy, CaptionedData(images, captions))
    texts = toy.encode_texts([text for row in captions for text in row])
    similarity = texts @ evaluate.image_features(toy, images).T
    right = np.repeat(np.arange(18), [len(row) for row in captions])[:, None] == np.arange(18)
    assert result.model_dump() == {
        "text_to_image": metrics.recall_of_ranks(metrics.ranks(similarity, right)),
        "image_to_text": metrics.recall_of_ranks(metrics.ranks(similarity.T, right.T)),
        "images": 18,
        "texts": 27,
    }
    assert result.image_to_text.recall_at_5 > 0.5 > result.image_to_text.recall_at_1


def test_results_are_values_that_cannot_be_changed() -> None:
    result = evaluate.zeroshot(load_encoder("toy"), squares(1), "1")
    with pytest.raises(ValidationError, match="frozen"):
        result.top1 = 0.5  # type: ignore[misc]


def test_data_may_be_given_as_a_path(tmp_path: Path) -> None:
    rows = []
    for label, (colour, image) in enumerate(zip(COLOURS, squares(1).images, strict=True)):
        (tmp_path / colour).mkdir()
        assert isinstance(image, bytes)
        (tmp_path / colour / "1.png").write_bytes(image)
        rows.append(f"{colour}/1.png,a {colour} thing {label}\n")
    (tmp_path / "captions.csv").write_text("image,caption\n" + "".join(rows))
    toy = load_encoder("toy")
    assert evaluate.zeroshot(toy, tmp_path, "1").top1 == 1
    assert evaluate.retrieval(toy, str(tmp_path)).text_to_image.recall_at_1 == 1


def test_features_come_in_the_order_of_the_pictures_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, data = load_encoder("toy"), squares(5)
    whole = evaluate.image_features(toy, data.images)
    monkeypatch.setattr(evaluate, "IMAGES_AT_ONCE", 7)
    assert (evaluate.image_features(toy, data.images) == whole).all()
    alone = np.concatenate([evaluate.image_features(toy, [image]) for image in data.images])
    assert (alone == whole).all()


def test_a_picture_that_cannot_be_read_stops_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no image")
    data = CaptionedData([squares(1).images[0], tmp_path / "x.jpg"], [["a"], ["b"]])
    with pytest.raises(DataError, match=r"an image of the data cannot be read: .*x\.jpg"):
        evaluate.retrieval(load_encoder("toy"), data)


def test_the_probe_learns_what_is_there_is_repeatable_and_learns_nothing_from_shuffled_labels() -> None:
    toy, train, test = load_encoder("toy"), squares(12), squares(5, seed=9)
    result = evaluate.probe(toy, train, test)
    assert result.top1 == 1
    assert (result.n, result.n_train) == (30, 72)
    assert list(result.few_shot) == [1, 2, 4, 8]  # ten a class are left beside the held-out part
    assert min(result.few_shot.values()) > 0.9
    assert result == evaluate.probe(toy, train, test)
    shuffled = replace(train, labels=np.random.default_rng(0).permutation(train.labels))
    assert evaluate.probe(toy, shuffled, test).top1 < 0.6


def test_the_probe_refuses_other_classes_and_single_pictures() -> None:
    toy, data = load_encoder("toy"), squares(2)
    with pytest.raises(DataError, match="other classes"):
        evaluate.probe(toy, data, replace(data, names=[["x"], *data.names[1:]]))
    with pytest.raises(DataError, match="class 0 has a single image"):
        evaluate.probe(toy, squares(1), data)


def test_the_held_out_part_is_a_fifth_of_every_class_and_depends_on_the_seed_alone() -> None:
    labels = np.array([0] * 50 + [1] * 9 + [2] * 2)
    split = held_out(labels, 3)
    assert [int(split[labels == c].sum()) for c in range(3)] == [10, 1, 1]
    assert (split == held_out(labels, 3)).all()
    assert (split != held_out(labels, 4)).any()


def test_the_search_finds_the_penalty_that_a_full_sweep_finds() -> None:
    from train.evaluation.probe import fit_score

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 20))
    labels = rng.integers(0, 3, 300)
    x = (centres[labels] + 3 * rng.normal(size=(300, 20))).astype(np.float32)
    parts = (x[:120], labels[:120], x[120:], labels[120:])
    found = choose_l2(*parts)
    sweep = [fit_score(*parts, 10.0**exponent) for exponent in np.arange(-6, 6.01, 0.5)]
    assert fit_score(*parts, found) >= max(sweep) - 0.012
    assert 1e-6 <= found <= 1e6
