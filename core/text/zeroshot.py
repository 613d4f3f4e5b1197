"""Builds zero-shot classifiers from labels and prompts.

Radford et al. 2021, section 3.1.4: each class name is put into many prompts, every prompt is encoded to a unit
vector, and their normalised mean is the class's row of a linear classifier. The image's class is the row with the
highest cosine; multiplied with the model's logit scale, a softmax makes probabilities of the cosines. Models that were
trained with a sigmoid for each pair (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", section 3.2)
have a bias too, and each label has a probability of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.encoder import Encoder
from core.errors import ConfigError, QueryError, unknown_choice
from core.validation import PATH, TEXT, require, require_many

if TYPE_CHECKING:
    from PIL import Image

PROMPTS_AT_ONCE = 4096


@dataclass(frozen=True)
class Label:
    """One possible answer for one image: `score` is the cosine, `probability` is among the labels that were given,
    or, of a model trained with a sigmoid, that of this label whatever the others are."""

    name: str
    score: float
    probability: float


def templates(which: str | Path) -> list[str]:
    """Prompts with `{}` for the name: "80" or "7" of OpenAI's for ImageNet, "1", or a text file with one a line.

    Raises `ConfigError` for an unknown name and for a line without exactly one `{}`.
    """
    require("templates", which, PATH, error=ConfigError)
    published: dict[str, list[str]] = json.loads(Path(__file__).with_name("prompts.json").read_text("utf-8"))
    del published["source"]
    if isinstance(which, str) and which in published:
        return published[which]
    path = Path(which)
    try:
        if not path.is_file():
            raise ConfigError(f"{unknown_choice('templates', str(which), published)}, or the path of a text file")
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except OSError as error:  # the name may be too long even to ask whether there is such a file
        raise ConfigError(f"the templates {str(path)!r:.80} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"the templates {path} cannot be read as text: {error}") from None
    return checked([line for line in lines if line], str(path))


def checked(prompts: Sequence[str], named: str) -> list[str]:
    """Prompts that somebody wrote, if each has exactly one `{}`. Raises `ConfigError`, in which they are `named`."""
    wrong = [line for line in prompts if line.count("{}") != 1 or line.count("{") + line.count("}") != 2]
    if wrong or not prompts:
        what = f"not {wrong[0]!r}" if wrong else "but it is empty"
        raise ConfigError(f"{named}: each line needs exactly one {{}} where the name goes, {what}")
    return list(prompts)


def classifier(
    encoder: Encoder, names: Sequence[str] | Sequence[Sequence[str]], templates: Sequence[str]
) -> np.ndarray:
    """c classes -> (c, d) float32, rows of length 1.

    A class is one name or several synonyms; every synonym goes into every template, and all prompts count equally.
    Raises `QueryError` for a class without a name.
    """
    classes = [[entry] if isinstance(entry, str) else list(entry) for entry in names]
    if not classes or any(not name.strip() for synonyms in classes for name in synonyms) or not all(classes):
        raise QueryError("a classifier needs at least one label, and none may be blank")
    if not templates:
        raise QueryError("a classifier needs at least one template, such as 'a photo of a {}.'")
    prompts = [[t.format(name) for name in synonyms for t in templates] for synonyms in classes]
    rows = [group.mean(axis=0) for group in _encoded_groups(encoder, prompts)]
    means = np.stack(rows)
    unit: np.ndarray = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def probabilities(encoder_scale: float, cosines: np.ndarray, bias: float | None = None) -> np.ndarray:
    """Softmax of scale x cosine over the last axis, (…, c) -> (…, c) float64, each row sums to 1.

    With a bias the sigmoid of scale x cosine + bias, each number by itself.
    """
    logits = encoder_scale * np.asarray(cosines, np.float64)
    if bias is not None:
        apart: np.ndarray = 1 / (1 + np.exp(-(logits + bias).clip(-700, 700)))
        return apart
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def classify(
    encoder: Encoder, images: Sequence[Image.Image], labels: Sequence[str], templates: Sequence[str]
) -> list[list[Label]]:
    """All labels for each of n images, best first; equal scores keep the order of `labels`.

    Images are as `core.image.decode.open_image` returns them. Raises `QueryError` for blank labels, one that is given
    twice, and fewer than two where their probabilities share one.
    """
    labels = require_many("labels", labels, '["cat", "dog"]')
    for label in labels:
        require("a label", label, TEXT)
    bias = getattr(encoder, "logit_bias", None)
    if len(labels) == 1 and bias is None:  # with a bias each label has a probability of its own
        raise QueryError(f"there is only the label {labels[0]!r}: give at least two to choose from")
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise QueryError(f"the label {min(twice)!r} is given more than once; each can be chosen only once")
    weights = classifier(encoder, labels, templates)
    if not images:
        return []
    cosines = encoder.encode_images(images) @ weights.T
    shares = probabilities(encoder.logit_scale, cosines, bias)
    return [
        [Label(labels[c], float(row[c]), float(share[c])) for c in np.argsort(-row, kind="stable")]
        for row, share in zip(cosines, shares, strict=True)
    ]


def _encoded_groups(encoder: Encoder, groups: Sequence[Sequence[str]]) -> Iterable[np.ndarray]:
    """Each group's texts as (n, d) float64, encoded in large batches across the groups."""
    start = 0
    while start < len(groups):
        end, count = start, 0
        while end < len(groups) and (count == 0 or count + len(groups[end]) <= PROMPTS_AT_ONCE):
            count += len(groups[end])
            end += 1
        vectors = encoder.encode_texts([text for group in groups[start:end] for text in group]).astype(np.float64)
        yield from np.split(vectors, np.cumsum([len(group) for group in groups[start : end - 1]]))
        start = end
