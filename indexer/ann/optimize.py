"""Builds and measures the indexes of a collection, and reports their health.

An index is built beside the searches that go on, in a folder of its own; replacing one small file puts it into use.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ConfigError
from indexer.ann import loader
from indexer.ann.build_progress import Step, Steps
from indexer.ann.candidates import Indexed, indexed
from indexer.ann.kinds import index_class
from indexer.ann.selection import Choice, choose
from indexer.ann.tuning import QUERIES, Sample, measure, measure_filters, queries_between_neighbors
from indexer.collection.collection import Collection
from indexer.collection.index_files import row_pairing, trust
from indexer.collection.index_files.manifest import (
    FOLDER,
    INDEX,
    KEYS,
    VECTORS,
    Manifest,
    Measured,
    QueryKind,
    manifest_file,
)
from indexer.collection.index_files.replace import building_alone, replace_manifest
from indexer.collection.snapshot import TARGETS, Snapshot
from indexer.collection.storage import lock

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.collection.snapshot import Target

RECALL = 0.98
MOST_CHANGE = 0.1  # of an index, before a new one is suggested
STEPS = 4  # of building and measuring one, as `_build` begins them
FEWEST_CAPTIONS = 100  # to measure with; fewer say too little
EXAMPLES = 5_000  # captions that an index may learn from, none of them among those it is measured with
BUILDING = "building-"
MOST_TOUCHED = 0.25  # of the effort that an index has; one that needs more is not the fastest any more


@dataclass(frozen=True)
class Health:
    """What a person should know about the index of a collection."""

    target: Target
    kind: str  # "exact" where there is none
    n: int  # rows that it knows
    size_bytes: int = 0
    built: datetime | None = None
    target_recall: float | None = None
    measured: dict[QueryKind, Measured] | None = None
    change: float = 0.0  # came and went since it was built, as a part of it
    problem: str | None = None  # why it is not used, or not good enough
    suggestion: str | None = None  # what to do about it


@dataclass(frozen=True)
class Optimized:
    """What was decided for one target, and what came of it; no manifest where an exact search is best."""

    target: Target
    choice: Choice
    manifest: Manifest | None


def optimize(
    collection: Collection,
    *,
    kind: str = "auto",
    memory: int | None = None,
    recall: float = RECALL,
    encoder: Encoder | None = None,
    progress: Callable[[Step], None] | None = None,
) -> list[Optimized]:
    """Give a collection the indexes that suit it, and measure them.

    `memory` is a budget in bytes (default: half of the machine's), `recall` the ann_recall@10 to reach with texts and
    with images. `encoder` embeds the phrases to measure with where there are too few captions (default: the
    collection's own). Raises `ConfigError` (a kind, a recall that makes no sense), `MissingExtraError` (no FAISS),
    `ModelError` (the collection's model is gone) and `CollectionError` (nobody may write there, or another run does).
    """
    if not 0 < recall <= 1:
        raise ConfigError(f"recall {recall} is not between 0 and 1")
    if memory is not None and memory <= 0:
        raise ConfigError(f"a memory of {memory:,} bytes holds no index")
    steps, most = Steps(progress), memory or _half_of_memory()
    folder = collection.path / FOLDER
    with building_alone(folder):
        snapshot = Snapshot.load(collection)
        found = []
        rows_of = {"images": snapshot.images.num_rows, "texts": snapshot.texts.num_rows}
        choices = {each: choose(n, collection.info.model.dim, asked=kind, memory=most) for each, n in rows_of.items()}
        steps.expect(STEPS * sum(each.kind != "exact" and rows_of[target] > 0 for target, each in choices.items()))
        for target in TARGETS:
            choice, n = choices[target], rows_of[target]
            manifest = None
            if choice.kind != "exact" and n:
                make = partial(_build, snapshot, target, recall=recall, encoder=encoder, steps=steps)
                choice, manifest = _best(folder, choice, make, steps)
                _put_into_use(collection, manifest)
            else:
                if not n:
                    choice = Choice("exact", ["there are none, so there is nothing to index"], 0)
                manifest_file(collection.path, target).unlink(missing_ok=True)
            found.append(Optimized(target, choice, manifest))
            sweep(folder)
    return found


def health(collection: Collection, snapshot: Snapshot | None = None) -> list[Health]:
    """How the indexes of a collection are, one for its images and, where it has captions, one for these."""
    snapshot = snapshot or Snapshot.load(collection)
    return [
        _health(snapshot, target)
        for target in TARGETS
        if target == "images" or snapshot.texts.num_rows or manifest_file(collection.path, target).exists()
    ]


def _health(snapshot: Snapshot, target: Target) -> Health:
    collection = snapshot.collection
    n = snapshot.rows_of(target).num_rows
    try:
        opened = loader.load(collection, manifest_file(collection.path, target))
    except trust.UntrustedError as error:
        return Health(target, "exact", n, problem=str(error), suggestion="clipdex optimize builds a new index")
    if opened is None:
        wanted = choose(n, collection.info.model.dim, memory=_half_of_memory())
        slow = None if wanted.kind == "exact" else f"clipdex optimize makes searches faster: {wanted.reasons[0]}"
        return Health(target, "exact", n, suggestion=slow)
    manifest = opened.files.manifest
    fitted = indexed(snapshot, target)
    change = 1.0 if fitted is None else fitted.change
    problem, suggestion = shortcoming(manifest)
    if change > MOST_CHANGE:
        problem = f"{change:.0%} of the rows came or went since the index was built"
        suggestion = "clipdex optimize builds a new one"
    return Health(
        target,
        manifest.kind,
        manifest.n,
        size_bytes=sum(file.size for file in manifest.files.values()),
        built=manifest.built,
        target_recall=manifest.target_recall,
        measured=manifest.measured,
        change=change,
        problem=problem,
        suggestion=suggestion,
    )


def shortcoming(manifest: Manifest) -> tuple[str | None, str | None]:
    """Which kinds of query miss the recall that was asked for, and what would help."""
    missed = {kind: each for kind, each in manifest.measured.items() if not each.reached}
    if not missed:
        return None, None
    told = " and ".join(f"{each.ann_recall:.3f} for {kind} queries" for kind, each in missed.items())
    better = " or ".join(f"--kind {kind}" for kind in _better(manifest.kind))
    lower = min(each.ann_recall for each in missed.values())
    return (
        f"ann_recall@10 reaches {told}, not the {manifest.target_recall:g} that was asked for",
        f"clipdex optimize {better} finds more, or --recall {int(lower * 100) / 100:g} asks for less",
    )


def _better(kind: str) -> list[str]:
    """Kinds that find more, with more memory or more time."""
    order = ["lance", "ivf-pq", "hnsw", "exact"]
    return order[order.index(kind) + 1 :][:2] if kind in order else ["exact"]


def _best(
    folder: Path, choice: Choice, make: Callable[[Choice, Path | None], tuple[Manifest, float]], steps: Steps
) -> tuple[Choice, Manifest]:
    """The first of the kinds in question that is good, or the one that finds most; `make` is `_build` of a choice,
    beside a folder. At most two lie on the disk at once, with the same vectors; each goes as soon as there is a better
    one."""
    best: tuple[bool, float, Choice, Manifest] | None = None
    reasons = choice.reasons
    for kind in (choice.kind, *choice.instead):
        this = replace(choice, kind=kind, reasons=reasons)
        beside = None if best is None else folder / best[3].folder
        steps.expect(0 if best is None else STEPS)
        manifest, touched = make(this, beside)
        found = min(each.ann_recall for each in manifest.measured.values())
        reached = all(each.reached for each in manifest.measured.values())
        built = reached, found, this, manifest
        better = best is None or reached or (not best[0] and found > best[1])
        best, worse = (built, best) if better else (best, built)
        if worse is not None:
            shutil.rmtree(folder / worse[3].folder, ignore_errors=True)
        if reached and (touched <= MOST_TOUCHED or kind != choice.kind):
            break
        reasons = [*reasons, f"{kind} found {found:.3f} of the answers here with {touched:.0%} of its effort"]
    assert best is not None, "a choice names a kind"
    return best[2], trust.relinked(folder / best[3].folder, best[3])


def _build(
    snapshot: Snapshot,
    target: Target,
    choice: Choice,
    beside: Path | None,
    *,
    recall: float,
    encoder: Encoder | None,
    steps: Steps,
) -> tuple[Manifest, float]:
    """Build and measure -> what is known of the index, in a folder that nothing uses yet, and how much of the effort
    that it has it takes. `beside` is the folder of another kind over the same vectors."""
    started = time.perf_counter()
    collection = snapshot.collection
    vectors = snapshot.vectors_of(target)
    kind = index_class(choice.kind)
    steps.begin(f"building {choice.kind} over {len(vectors):,} {'captions' if target == 'texts' else 'images'}")
    texts, examples = text_queries(snapshot, encoder)
    folder = collection.path / FOLDER / f"{BUILDING}{os.getpid()}-{secrets.token_hex(4)}"
    (folder / INDEX).mkdir(parents=True)
    try:
        kind.build(vectors, examples).save(folder / INDEX)
        _put_vectors(folder, vectors, beside)
        index = kind.load(folder / INDEX, len(vectors), vectors.shape[1])  # measured as it will be searched
        trial = Indexed(index, None, np.load(folder / VECTORS, mmap_mode="r"))
        steps.begin("measuring by words what it finds of the exact answer")
        measured = {texts.kind: measure(trial, texts, recall)}
        steps.begin("measuring by images what it finds of the exact answer")
        pictures = Sample("image", queries_between_neighbors(vectors, QUERIES), "images between neighbours")
        measured[pictures.kind] = measure(trial, pictures, recall)
        steps.begin("measuring what it finds under conditions")
        manifest = Manifest(
            kind=choice.kind,
            target=target,
            folder=folder.name.replace(BUILDING, f"{choice.kind}-"),
            n=len(vectors),
            d=vectors.shape[1],
            created=collection.info.created,
            fingerprint=collection.info.model.fingerprint,
            versions=snapshot.versions,
            rows=row_pairing.digest(snapshot.rows_of(target), target),
            built=datetime.now(UTC),
            seconds=round(time.perf_counter() - started, 2),
            size_bytes=index.size_bytes,
            target_recall=recall,
            reasons=choice.reasons,
            files=trust.describe(folder),
            measured=measured,
            filters=measure_filters(trial, texts, measured["text"].effort, recall),
        )
        manifest = trust.sealed(manifest)
        folder.rename(folder.with_name(manifest.folder))  # changes none of its files
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return manifest, max(each.effort for each in measured.values()) / index.efforts[-1]


def _put_vectors(folder: Path, vectors: np.ndarray, beside: Path | None) -> None:
    """The vectors and their keys, which may be many gigabytes: as links to those of another kind where that can be."""
    if beside is not None:
        try:
            for name in (VECTORS, KEYS):
                (folder / name).hardlink_to(beside / name)
            return
        except OSError:  # a disk without links
            for name in (VECTORS, KEYS):
                (folder / name).unlink(missing_ok=True)
    np.save(folder / VECTORS, vectors)
    np.save(folder / KEYS, row_pairing.keys(vectors))


def text_queries(snapshot: Snapshot, encoder: Encoder | None) -> tuple[Sample, np.ndarray]:
    """Texts to measure with, and others (m, d) to learn from: the collection's own captions, else everyday phrases."""
    generator = np.random.default_rng(0)
    m = snapshot.texts.num_rows
    if m >= FEWEST_CAPTIONS:
        drawn = generator.permutation(m)
        measured = drawn[: min(QUERIES, m // 2)]
        learnt = drawn[len(measured) :][:EXAMPLES]
        vectors = snapshot.text_vectors
        return Sample("text", vectors[np.sort(measured)], "the collection's captions"), vectors[np.sort(learnt)]
    from core.text.sample_queries import everyday

    encoder = encoder or snapshot.collection.load_encoder()
    snapshot.collection.check_model(encoder)
    vectors = encoder.encode_texts(list(everyday()))
    half = generator.permutation(len(vectors))
    split = len(vectors) // 2
    return Sample("text", vectors[np.sort(half[:split])], "everyday phrases"), vectors[np.sort(half[split:])]


def _put_into_use(collection: Collection, manifest: Manifest) -> None:
    """Replacing the manifest is the one step that counts."""
    manifest_file(collection.path, manifest.target).with_suffix(".png").unlink(
        missing_ok=True
    )  # drawn from the one before
    replace_manifest(collection, manifest)


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def sweep(folder: Path) -> None:
    """Remove what no manifest names: the index before, and what a killed run left. Searches that have it open go on."""
    used = {lock.LOCK, *(f"{target}.{kind}" for target in TARGETS for kind in ("json", "png"))}
    for target in TARGETS:
        try:
            manifest = trust.read_manifest(folder / f"{target}.json")
        except trust.UntrustedError:
            continue
        if manifest is not None:
            used.add(manifest.folder)
    for entry in folder.iterdir():
        if entry.name not in used:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
