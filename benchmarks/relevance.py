"""Does `relevance` know when nothing matches?  Queries whose images are there, and the same where they were removed.

    python -m benchmarks.relevance [DATA]    (a folder with cifar10/ and tiny_imagenet/; shared/data unless given)

Classes of CIFAR-10 and Tiny ImageNet and kinds of things in painted scenes, as words and as images, in collections
that hold them and in the same ones without them. Reported for each: the area under the ROC curve of present against
absent queries, for the best cosine, for its distance from the bulk of all cosines (a robust z-score) and for the
relevance of the first hit; and what the default threshold does. The curve's two constants are fitted on the even
classes of Tiny ImageNet only (`--fit` prints them); everything else is held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.report import Target, publish
from core.encoder import Encoder
from core.image.decode import open_image
from core.inference.load import load_encoder
from core.text.sample_queries import everyday
from indexer.search.relevance import NEEDED, THRESHOLD, Background, Kind, background, meaningless, relevances, sample
from tests.shared import SHARED
from train.data.sources import read_class_data
from train.scenes import paint
from train.scenes.registry import KINDS

SCENES, SCENE_SIDE, ASKING_SCENES = 1500, 128, 100
PROMPTS = ("{}", "a photo of a {}")
SMALL = (10, 50)  # images in small collections
BATCH = 128
GIBBERISH = ("asdf qwer zxcv", "blorp", "xyzzy plugh", "qqqqq", "lkjhgf poiuy", "0x7f3a9", "zzz yyy xxx", "hrmpf brgl")


class Trial(NamedTuple):
    """One query in one collection."""

    group: str
    kind: Kind
    vectors: np.ndarray  # (n, d)
    query: np.ndarray  # (d,)
    present: bool


class Labelled(NamedTuple):
    """Images (n, d) of classes, and the words for each class."""

    vectors: np.ndarray
    labels: np.ndarray  # (n,)
    names: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=SHARED / "data")
    parser.add_argument("--model", default="tiny", help="a model's name or directory")
    parser.add_argument("--fit", action="store_true", help="fit the two constants of each curve and print them")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"there is no folder {arguments.data}; name the one that holds cifar10/ and tiny_imagenet/")
    encoder, draw = load_encoder(arguments.model), np.random.default_rng(0)
    imagenet = labelled(encoder, arguments.data / "tiny_imagenet/val.parquet")
    even = imagenet.labels % 2 == 0
    phrases = encoder.encode_texts(everyday())
    if arguments.fit:
        fit([*class_trials(encoder, "", imagenet, even, draw)], phrases)
        return
    cifar = labelled(encoder, arguments.data / "cifar10/test.parquet")
    trials = [
        *removals(encoder, cifar, draw),
        *class_trials(encoder, "Tiny ImageNet", imagenet, ~even, draw),
        *scene_trials(encoder),
    ]
    report(trials, phrases, encoder)


# --- what is asked -----------------------------------------------------------------------------------------------


def labelled(encoder: Encoder, data: Path) -> Labelled:
    classes = read_class_data(data)
    names = [names[0] for names in classes.names]
    return Labelled(embedded(encoder, classes.images), np.array(classes.labels), names)


def embedded(encoder: Encoder, images: Sequence[bytes | Path | Image.Image]) -> np.ndarray:
    parts = []
    for start in range(0, len(images), BATCH):
        opened = [encoder.prepare(open_image(image)) for image in images[start : start + BATCH]]
        parts.append(encoder.encode_prepared(np.stack(opened)))
    return np.concatenate(parts)


def removals(encoder: Encoder, data: Labelled, draw: np.random.Generator) -> Iterator[Trial]:
    """Each class of CIFAR-10 asked for in collections of 1,000 and 200 images with and without it."""
    for prompt in PROMPTS:
        queries = encoder.encode_texts([prompt.format(name) for name in data.names])
        for label, query in enumerate(queries):
            for size in (1000, 200):
                rows = draw.choice(len(data.labels), size, replace=False)
                without = rows[data.labels[rows] != label]
                yield Trial("CIFAR-10", "text", data.vectors[rows], query, True)
                yield Trial("CIFAR-10", "text", data.vectors[without], query, False)
    for label in range(len(data.names)):
        for _ in range(10):
            rows = draw.choice(len(data.labels), 1000, replace=False)
            without = rows[data.labels[rows] != label]
            query = data.vectors[draw.choice(np.setdiff1d(np.flatnonzero(data.labels == label), rows))]
            yield Trial("CIFAR-10", "image", data.vectors[rows], query, True)
            yield Trial("CIFAR-10", "image", data.vectors[without], query, False)


def class_trials(
    encoder: Encoder, group: str, data: Labelled, chosen: np.ndarray, draw: np.random.Generator
) -> Iterator[Trial]:
    """Some classes of Tiny ImageNet: half of them are in the collection, the other half are not, four times over; and
    small collections."""
    rows = np.flatnonzero(chosen)
    classes = np.unique(data.labels[rows])
    texts = {prompt: encoder.encode_texts([prompt.format(name) for name in data.names]) for prompt in PROMPTS}
    for number in range(4):
        half = draw.permutation(classes)[: len(classes) // 2]
        inside = rows[np.isin(data.labels[rows], half)]
        asking = draw.random(len(inside)) < 0.1  # images that ask and are not in the collection
        vectors = data.vectors[inside[~asking]]
        for label in classes:
            query = texts[PROMPTS[number % 2]][label]
            yield Trial(group, "text", vectors, query, bool(label in half))
        outside = np.setdiff1d(rows, inside)
        for row in [*inside[asking], *draw.choice(outside, asking.sum(), replace=False)]:
            yield Trial(group, "image", vectors, data.vectors[row], bool(data.labels[row] in half))
    for size in SMALL:
        for number in range(150):
            held = draw.choice(rows, size, replace=False)
            here = np.unique(data.labels[held])
            there = np.setdiff1d(classes, here)
            named = f"{group}, {size} images"
            for choice, present in ((here, True), (there, False)):
                label = draw.choice(choice)
                yield Trial(named, "text", data.vectors[held], texts[PROMPTS[number % 2]][label], present)
                others = np.setdiff1d(rows[data.labels[rows] == label], held)
                yield Trial(named, "image", data.vectors[held], data.vectors[draw.choice(others)], present)


def scene_trials(encoder: Encoder) -> Iterator[Trial]:
    """Painted scenes, and the same without every scene that holds one of the kinds of things that are asked for: by
    the name of each kind, by the short captions of some scenes, and by their precise ones."""
    scenes = [paint(seed, size=SCENE_SIDE) for seed in range(SCENES)]
    vectors = embedded(encoder, [scene.image for scene in scenes])
    kinds = [{thing.kind for thing in scene.content.things} | set(scene.content.scenery) for scene in scenes]
    asked = {
        "painted scenes, a thing": [({name}, PROMPTS[1].format(kind.name)) for name, kind in KINDS.items()],
        "painted scenes, short captions": [(kinds[n], scenes[n].captions[0]) for n in range(ASKING_SCENES)],
        "painted scenes, precise captions": [(kinds[n], scenes[n].precise) for n in range(ASKING_SCENES)],
    }
    for group, questions in asked.items():
        for (wanted, _), query in zip(questions, encoder.encode_texts([text for _, text in questions]), strict=True):
            absent = np.array([not wanted & found for found in kinds])
            if wanted and not absent.all():
                yield Trial(group, "text", vectors, query, True)
                yield Trial(group, "text", vectors[absent], query, False)


# --- what came out -----------------------------------------------------------------------------------------------


class Backgrounds:
    """The background of each collection, computed once."""

    def __init__(self, phrases: np.ndarray) -> None:
        self.phrases = phrases
        self.kept: dict[tuple[int, Kind], tuple[np.ndarray, Background]] = {}

    def of(self, vectors: np.ndarray, kind: Kind) -> Background:
        mark = (id(vectors), kind)
        if mark not in self.kept:
            queries = meaningless(self.phrases) if kind == "text" else sample(vectors)
            self.kept[mark] = (vectors, background(queries, vectors))
        return self.kept[mark][1]


def measures(trials: list[Trial], phrases: np.ndarray) -> dict[str, np.ndarray]:
    """For each trial the best cosine, its robust z-score, and the relevance of the first hit."""
    backgrounds, found = Backgrounds(phrases), []
    for trial in trials:
        cosines = trial.vectors @ trial.query
        middle = np.median(cosines)
        deviation = 1.4826 * np.median(np.abs(cosines - middle))
        best = -np.sort(-cosines)
        against = backgrounds.of(trial.vectors, trial.kind)
        relevance = relevances(best[:NEEDED], best[:1], {trial.kind: 1.0}, against, len(cosines))[0]
        found.append((best[0], (best[0] - middle) / deviation, relevance))
    columns = np.array(found).T
    return dict(zip(("best cosine", "z of the best", "relevance"), columns, strict=True))


def area(present: np.ndarray, absent: np.ndarray) -> float:
    """Area under the ROC curve: how often a present query is above an absent one; ties count half."""
    above = (present[:, np.newaxis] > absent).mean()
    return float(above + (present[:, np.newaxis] == absent).mean() / 2)


def report(trials: list[Trial], phrases: np.ndarray, encoder: Encoder) -> None:
    values = measures(trials, phrases)
    present = np.array([trial.present for trial in trials])
    names = np.array([f"{trial.kind}: {trial.group}" for trial in trials])
    kinds = np.array([f"{trial.kind}: all, on one scale" for trial in trials])
    columns = ("queries", "AUC cos", "AUC z", "AUC rel", "absent: nothing", "present: something")
    print(f"{'':42}" + "".join(f"{column:>{len(column) + 2}}" for column in columns))
    numbers: dict[str, float] = {}
    targets = []
    for labels in (names, kinds):
        for name in sorted(set(labels), reverse=True):
            row = measured(values, present, labels == name)
            shown = [(labels == name).sum(), *row.values()]
            print(f"{name:42}" + "".join(f"{x:>{len(c) + 2}.4g}" for c, x in zip(columns, shown, strict=True)))
            numbers |= {f"{name}, {what}": value for what, value in row.items()}
            if labels is kinds:
                gain = row["AUC relevance"] - row["AUC best cosine"]
                targets.append(Target(f"{name}, AUC gained over the best cosine", gain, at_least=0.0))
    numbers |= gibberish(trials, phrases, encoder)
    publish("relevance", numbers, targets)


def measured(values: dict[str, np.ndarray], present: np.ndarray, which: np.ndarray) -> dict[str, float]:
    found = {f"AUC {name}": area(value[which & present], value[which & ~present]) for name, value in values.items()}
    relevance = values["relevance"]
    found["absent queries that say nothing matches"] = float((relevance[which & ~present] < THRESHOLD).mean())
    found["present queries that do not"] = float((relevance[which & present] >= THRESHOLD).mean())
    return {name: round(value, 4) for name, value in found.items()}


def gibberish(trials: list[Trial], phrases: np.ndarray, encoder: Encoder) -> dict[str, float]:
    """Letters that mean nothing, in the last collection of each group."""
    collections = {trial.group: trial.vectors for trial in trials if trial.kind == "text"}
    asked = [
        Trial(group, "text", vectors, query, False)
        for group, vectors in collections.items()
        for query in encoder.encode_texts(GIBBERISH)
    ]
    return {"text: gibberish that matches nothing": float((measures(asked, phrases)["relevance"] < THRESHOLD).mean())}


def fit(trials: list[Trial], phrases: np.ndarray) -> None:
    """Print slope and middle of the logistic curve for each kind, every group weighing the same."""
    from sklearn.linear_model import LogisticRegression

    backgrounds = Backgrounds(phrases)
    for kind in ("text", "image"):
        chosen = [trial for trial in trials if trial.kind == kind]
        groups = [trial.group for trial in chosen]
        peaks = []
        for trial in chosen:
            best = -np.sort(-(trial.vectors @ trial.query))
            against = backgrounds.of(trial.vectors, trial.kind)
            peaks.append(against.standardised((best[:1] + best[: against.best].mean()) / 2, len(best)))
        weights = [1 / groups.count(group) for group in groups]
        present = [trial.present for trial in chosen]
        share = {
            answer: sum(w for w, p in zip(weights, present, strict=True) if p is answer) for answer in (True, False)
        }
        balanced = [weight / share[answer] * len(chosen) for weight, answer in zip(weights, present, strict=True)]
        curve = LogisticRegression(C=1e6).fit(np.array(peaks), present, sample_weight=balanced)
        slope = float(curve.coef_[0, 0])
        print(f"{kind}: slope {slope:.2f}, middle {-float(curve.intercept_[0]) / slope:.2f}")


if __name__ == "__main__":
    main()
