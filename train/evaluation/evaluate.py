"""Evaluates a model: zero-shot classification, retrieval, linear probe.

Data is given as a path (see `train.data.sources` for the kinds) or as a value already read. Results are frozen values
whose `model_dump()` is what `clipdex evaluate --json` prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.encoder import Encoder
from core.errors import DataError, ImageError
from core.image.decode import open_image
from core.text.zeroshot import classifier
from core.text.zeroshot import templates as read_templates
from train.data.sources import CaptionedData, ClassData, read_captioned, read_class_data
from train.evaluation import metrics

IMAGES_AT_ONCE = 256


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ZeroShot(Frozen):
    """Shares between 0 and 1. `per_class` is top1 of each class by its first name."""

    top1: float
    top5: float
    n: int
    mean_per_class: float
    per_class: dict[str, float]


class Direction(Frozen):
    """One direction of retrieval: recalls are shares of queries, the rank starts at 1."""

    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float


class Retrieval(Frozen):
    """`text_to_image`: each caption searches its image; `image_to_text`: each image searches its captions."""

    text_to_image: Direction
    image_to_text: Direction
    images: int
    texts: int


class Probe(Frozen):
    """`top1` with all training images; `few_shot` by number of images a class; `l2` is the strength chosen."""

    top1: float
    n: int
    n_train: int
    l2: float
    few_shot: dict[int, float]


def zeroshot(encoder: Encoder, data: ClassData | str | Path, templates: str | Path | Sequence[str] = "80") -> ZeroShot:
    """Classify images by the names of their classes, all synonyms and templates averaged (CLIP paper, section 3.1).

    `templates` is a name or file for `core.text.zeroshot.templates`, or the prompts themselves.
    """
    prompts = read_templates(templates) if isinstance(templates, str | Path) else list(templates)
    data = data if isinstance(data, ClassData) else read_class_data(data)
    weights = classifier(encoder, data.names, prompts)
    scores = image_features(encoder, data.images) @ weights.T
    return ZeroShot.model_validate(metrics.zero_shot(scores, data.labels, _titles(data.names)))


def retrieval(encoder: Encoder, data: CaptionedData | str | Path) -> Retrieval:
    """Search images by captions and captions by images, among all of `data`."""
    data = data if isinstance(data, CaptionedData) else read_captioned(data)
    images = image_features(encoder, data.images)
    texts = encoder.encode_texts([text for captions in data.captions for text in captions])
    of_text = np.repeat(np.arange(len(images)), [len(captions) for captions in data.captions])
    of_image = np.arange(len(images))
    by_text = metrics.ranks_in_pieces(texts, images, of_text, of_image)
    by_image = metrics.ranks_in_pieces(images, texts, of_image, of_text)
    return Retrieval(
        text_to_image=Direction.model_validate(metrics.recall_of_ranks(by_text)),
        image_to_text=Direction.model_validate(metrics.recall_of_ranks(by_image)),
        images=len(images),
        texts=len(texts),
    )


def probe(encoder: Encoder, train: ClassData | str | Path, test: ClassData | str | Path, *, seed: int = 0) -> Probe:
    """Logistic regression on the frozen, unit-length features of images (CLIP paper, section 3.2, appendix A.3).

    Raises `DataError` when the two sets name other classes, `MissingExtraError` without scikit-learn.
    """
    from train.evaluation.probe import choose_l2, few_shot, fit_score, held_out

    train = train if isinstance(train, ClassData) else read_class_data(train)
    test = test if isinstance(test, ClassData) else read_class_data(test)
    if [names[0] for names in train.names] != [names[0] for names in test.names]:
        raise DataError(f"training and test data have other classes: {len(train.names)} and {len(test.names)} names")
    split = held_out(train.labels, seed)
    x, y = image_features(encoder, train.images), train.labels
    l2 = choose_l2(x[~split], y[~split], x[split], y[split])
    x_test = image_features(encoder, test.images)
    return Probe(
        top1=fit_score(x, y, x_test, test.labels, l2),
        n=len(x_test),
        n_train=len(x),
        l2=l2,
        few_shot=few_shot(x, y, split, x_test, test.labels, seed),
    )


def image_features(encoder: Encoder, images: Sequence[bytes | Path]) -> np.ndarray:
    """Images -> (n, d) float32 unit rows; the next batch is decoded by threads while this one is encoded.

    Raises `DataError` for an image that cannot be read: a measurement over part of the data is another measurement.
    """

    def prepare(image: bytes | Path) -> np.ndarray:
        return encoder.prepare(open_image(image))

    parts = []
    with ThreadPoolExecutor(thread_name_prefix="decode") as pool:
        coming = pool.map(prepare, images[:IMAGES_AT_ONCE])
        for start in range(0, len(images), IMAGES_AT_ONCE):
            try:
                pixels = np.stack(list(coming))
            except ImageError as error:
                raise DataError(f"an image of the data cannot be read: {error}") from None
            coming = pool.map(prepare, images[start + IMAGES_AT_ONCE : start + 2 * IMAGES_AT_ONCE])
            parts.append(encoder.encode_prepared(pixels))
    return np.concatenate(parts)


def _titles(names: Sequence[Sequence[str]]) -> list[str]:
    """The first name of each class, with its number where two classes share it (ImageNet has two cranes)."""
    count = Counter(synonyms[0] for synonyms in names)
    return [s[0] if count[s[0]] == 1 else f"{s[0]} ({label})" for label, s in enumerate(names)]
