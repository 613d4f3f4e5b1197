"""Measures how fast and how well vectors are searched, beside bare FAISS, hnswlib, usearch and LanceDB, in one run.

    PYTHONPATH=peers python -m benchmarks.search [--sizes 100000 1000000] [--cache FOLDER] [--without NAME …]
    python -m benchmarks.search --sizes 100000   # only this size and the real vectors; other results stay
    python -m benchmarks.search --real       # only the real vectors
    python -m benchmarks.search --table      # only write the results that are there into the pages

Vectors like a CLIP model's (`benchmarks.vectors`), 512 numbers each, queries like texts. Every contender gets the
smallest effort that reaches the recall (clipdex with its doubt to spare, as `clipdex optimize` does); then all
take turns, query by query, and each one's median counts, so that whatever else the machine does falls on all alike.
Built indexes stay in the cache for the next run. At the end the command line is started cold (`benchmarks.cold`).
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cold, vectors
from benchmarks.contenders import Bare, Contender, HNSWLib, LanceIVFPQ, Ours, PlainFAISS, Refined, USearch
from benchmarks.made_collection import metadata
from benchmarks.report import RESULTS, Target, publish, with_table
from indexer.ann import exact_search
from indexer.ann.candidates import FEW
from indexer.ann.recall_plot import draw
from indexer.ann.tuning import CONFIDENCE, K, Sample, measure, measure_filters, nearest
from tests.shared import SHARED

RECALL = 0.98
QUERIES, TIMED, IMAGES, FILTERED = 400, 200, 100, 30
SIZES = 100_000, 1_000_000
LARGE = "1,000,000: "
REAL = "149,993 real: "
SHARES = (0.001, 0.01, 0.1, 0.5)
PAGE = Path(__file__).parents[1] / "docs" / "search.md"
README = Path(__file__).parents[1] / "README.md"

Numbers = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[*SIZES])
    parser.add_argument("--cache", type=Path, default=Path("runs/search"), help="where data and indexes are kept")
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    parser.add_argument("--build-up-to", type=int, default=10**9, help="above, only indexes that are in the cache")
    parser.add_argument("--table", action="store_true", help="only write the results that are there into the pages")
    parser.add_argument("--real", action="store_true", help="only measure real vectors")
    arguments = parser.parse_args()
    if arguments.table:
        write_tables(json.loads((RESULTS / "search.json").read_text("utf-8"))["numbers"])
        return
    arguments.cache.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    sizes = [] if arguments.real else arguments.sizes
    is_whole = set(SIZES) <= set(sizes)
    numbers, targets = ({}, []) if is_whole else earlier([REAL, *(f"{n:,}: " for n in sizes)])
    medians = {n: size(n, arguments, numbers, targets) for n in sizes}
    if is_whole:
        small, large = min(medians), max(medians)
        ratio = medians[large] / medians[small]
        targets.append(Target(f"median at {large:,} vectors beside {small:,}", ratio, at_most=2))
        small_data = load(small, arguments.cache, lambda: vectors.make(small))
        engine, whole = metadata(small_data.pictures[:20_000], small_data.texts[:100])
        numbers["engine alone, with ten hits: ms"] = f"{engine:.2f}, {whole:.2f}"
        targets.append(Target("ms more with the metadata of ten hits", whole - engine, at_most=3))
        targets += cold.measure(arguments.cache.resolve(), numbers)
    targets += real(arguments, numbers)
    publish("search", numbers, targets)
    write_tables(numbers)


def earlier(beginnings: list[str]) -> tuple[Numbers, list[Target]]:
    """The results of the last run, but for those whose names begin so: they are measured anew."""
    found = json.loads((RESULTS / "search.json").read_text("utf-8"))
    kept = tuple(beginnings)
    numbers = {name: value for name, value in found["numbers"].items() if not name.startswith(kept)}
    targets = [each for each in found["targets"] if not each["name"].startswith(kept)]
    return numbers, [Target(each["name"], each["value"], each.get("at_least"), each.get("at_most")) for each in targets]


def size(n: int, arguments: argparse.Namespace, numbers: Numbers, targets: list[Target]) -> float:
    """Everything for one number of vectors -> the median of a search by words, in milliseconds."""
    cache: Path = arguments.cache
    data = load(n, cache, lambda: vectors.make(n))
    at = f"{n:,}: "
    texts = data.texts[:QUERIES]
    answers = nearest(data.pictures, texts, K)[1].min(axis=1)
    ours, graph = Ours("ivf-pq"), Ours("hnsw")
    everybody: list[Contender] = [
        *(each for own in (ours, graph) for each in (own, Bare(own), Refined(own))),
        *(PlainFAISS(), HNSWLib(), USearch(), LanceIVFPQ()),
    ]
    efforts: dict[Contender, int] = {}
    curves: dict[str, list[tuple[float, float]]] = {}
    for each in everybody:
        absent = n > arguments.build_up_to and not isinstance(each, Bare) and not each.place(n, cache).exists()
        if isinstance(each, Bare) and each.of not in efforts:
            continue
        if each.name in arguments.without or absent:
            numbers[f"{at}left out: {each.name}"] = "not built for so many vectors" if absent else "as asked"
            continue
        try:
            each.prepare(data.pictures, data.examples, cache)
        except ImportError as error:
            numbers[f"{at}left out: {each.name}"] = str(error)
            continue
        if isinstance(each, Bare):
            each.efforts = (efforts[each.of],)
        found, efforts[each], recall = curve(each, data.pictures, texts, answers, RECALL)
        if not isinstance(each, Bare):
            curves[each.name] = found
        numbers[f"{at}{each.name}: effort, ann_recall@10"] = f"{efforts[each]}, {recall:.4f}"
        if each.build_seconds:
            numbers[f"{at}{each.name}: built, processor seconds"] = each.build_seconds
    touch(data.pictures)
    times = take_turns(efforts, texts[:TIMED])
    for each, time_of in times.items():
        numbers[f"{at}{each.name}: ms"] = time_of
    draw(curves, RECALL, f"{n:,} vectors of 512 numbers, queries like texts", RESULTS / f"search-{n}.png")
    targets += against(at, times, ours, numbers)
    median, efforts = times[ours], {each: effort for each, effort in efforts.items() if isinstance(each, Ours)}
    del times, each
    everybody.clear()
    gc.collect()  # gigabytes of others' indexes: what follows needs the memory
    for own in [each for each in (ours, graph) if each in efforts]:
        targets += alone(at, own, efforts[own], data, numbers)
    Refined.forget()
    targets += filtered(at, ours, efforts[ours], data, numbers)
    return median


def real(arguments: argparse.Namespace, numbers: Numbers) -> list[Target]:
    """Real vectors, searched by texts that the model never saw. clipdex's graph must not lose to a plain one."""
    folder = SHARED / "data"
    if not folder.exists():
        numbers[f"{REAL}left out"] = "there is no folder shared/ with the images"
        return []
    data = load("real", arguments.cache, lambda: vectors.real(folder))
    texts = data.texts
    answers = nearest(data.pictures, texts, K)[1].min(axis=1)
    graph, plain = Ours("hnsw"), PlainFAISS()
    efforts: dict[Contender, int] = {}
    found: dict[Contender, float] = {}
    everybody: list[Contender] = [Ours("ivf-pq"), graph, plain, HNSWLib(), USearch(), LanceIVFPQ()]
    for each in everybody:
        try:
            each.prepare(data.pictures, data.examples, arguments.cache)
        except ImportError as error:
            numbers[f"{REAL}left out: {each.name}"] = str(error)
            continue
        _, efforts[each], found[each] = curve(each, data.pictures, texts, answers, RECALL)
        numbers[f"{REAL}{each.name}: effort, ann_recall@10"] = f"{efforts[each]}, {found[each]:.4f}"
    # clipdex takes an effort with doubt to spare: what its graph is worth shows at the effort of the plain one.
    twin = Ours("hnsw")
    twin.__dict__.update(graph.__dict__, name=f"hnsw at the effort of {plain.name}", efforts=(efforts[plain],))
    _, efforts[twin], found[twin] = curve(twin, data.pictures, texts, answers, RECALL)
    numbers[f"{REAL}{twin.name}: ann_recall@10"] = found[twin]
    touch(data.pictures)
    times = take_turns(efforts, texts[:TIMED])
    for each, time_of in times.items():
        numbers[f"{REAL}{each.name}: ms"] = time_of
    return [
        Target(f"{REAL}ann_recall@10 of {twin.name}, beside it", found[twin] / found[plain], at_least=1),
        Target(
            f"{REAL}time of {twin.name}, exact scores included, beside it", times[twin] / times[plain], at_most=1.25
        ),
    ]


def load(name: int | str, cache: Path, make: Callable[[], vectors.Data]) -> vectors.Data:
    """Data of `benchmarks.vectors`, mapped; made once."""
    parts = ("pictures", "texts", "others", "examples")
    if not all((cache / f"{name}-{part}.npy").exists() for part in parts):
        made = make()
        for part in parts:
            np.save(cache / f"{name}-{part}.npy", getattr(made, part))
    loaded = {part: np.asarray(np.load(cache / f"{name}-{part}.npy", mmap_mode="r")) for part in parts}
    return vectors.Data(**loaded)


def touch(pictures: np.ndarray) -> None:
    """Have all of them in the system's memory, from which minutes of other work may have driven them."""
    for start in range(0, len(pictures), 65_536):
        pictures[start : start + 65_536].max()


def curve(
    each: Contender, pictures: np.ndarray, texts: np.ndarray, answers: np.ndarray, target: float
) -> tuple[list[tuple[float, float]], int, float]:
    """(milliseconds, recall) of its efforts until the target is reached and one more, that effort, and its recall."""
    points: list[tuple[float, float]] = []
    chosen: tuple[int, float] | None = None
    for effort in each.efforts:
        times, hits = [], []
        for query, least in zip(texts, answers, strict=True):
            started = time.perf_counter()
            rows = each.search(query, effort)
            times.append(time.perf_counter() - started)
            hits.append(int((exact_search.cosines(pictures, rows[rows >= 0], query) >= least - 1e-6).sum()))
        recalls = np.minimum(hits, K) / K
        recall = float(recalls.mean())
        to_spare = CONFIDENCE * float(recalls.std()) / math.sqrt(len(recalls)) if isinstance(each, Ours) else 0.0
        points.append((1000 * statistics.median(times), recall))
        if chosen is not None:
            break
        if recall >= min(target + to_spare, (1 + target) / 2):
            chosen = effort, recall
    return points, *(chosen or (each.efforts[len(points) - 1], points[-1][1]))


def take_turns(efforts: dict[Contender, int], texts: np.ndarray) -> dict[Contender, float]:
    """Milliseconds, the median over all queries."""
    times: dict[Contender, list[float]] = {each: [] for each in efforts}
    generator, contenders = np.random.default_rng(3), list(efforts)
    for turn in range(len(texts)):
        # Each turn in another order, and not with the query that the one before just had: who comes after another that
        # shares its index, or its query, finds what it needs in the processor's cache.
        for number in generator.permutation(len(contenders)).tolist():
            each, effort = contenders[number], efforts[contenders[number]]
            query = texts[(turn + 37 * number) % len(texts)]
            started = time.perf_counter()
            each.search(query, effort)
            times[each].append(time.perf_counter() - started)
    return {each: 1000 * statistics.median(found) for each, found in times.items()}


def against(at: str, times: dict[Contender, float], ours: Ours, numbers: Numbers) -> list[Target]:
    """The targets beside others, at equal recall: of each kind beside FAISS itself, of the one that `clipdex optimize`
    takes beside everybody else. At the smallest size what Python costs beside FAISS is a number, not a target."""
    found = []
    for each, time_of in times.items():
        own = each.of if isinstance(each, Bare) else ours
        bound = {Bare: 1.25, Refined: 1.25, PlainFAISS: 0.5, HNSWLib: 1, USearch: 1, LanceIVFPQ: 0.1}.get(type(each))
        name = f"{at}time of clipdex's {own.kind} beside {each.name}"
        if bound is not None and isinstance(each, Bare) and at != LARGE:
            numbers[name] = times[own] / time_of
        elif bound is not None:
            found.append(Target(name, times[own] / time_of, at_most=bound))
    return found


def alone(at: str, own: Ours, effort: int, data: vectors.Data, numbers: Numbers) -> list[Target]:
    """The targets for recall, batches, opening and memory of one of clipdex's kinds."""
    kind = own.kind
    sample = Sample("image", data.others[:IMAGES], "images that are not among the vectors")
    pictures = measure(own.engine, sample, RECALL)
    numbers[f"{at}{kind}, queries like images: effort, ann_recall@10, ms"] = (
        f"{pictures.effort}, {pictures.ann_recall:.4f}, {pictures.milliseconds:.3f}"
    )
    held_out = data.texts[QUERIES : 2 * QUERIES]
    answers = nearest(data.pictures, held_out, K)[1].min(axis=1)
    touch(data.pictures)
    pairs = zip(held_out, answers, strict=True)
    hits = [(own.engine.best(query, K, None, "text", effort)[1] >= least - 1e-6).sum() for query, least in pairs]
    targets = [
        Target(
            f"{at}ann_recall@10 of {kind} with texts that it was not tuned on",
            float(np.minimum(hits, K).mean()) / K,
            at_least=RECALL,
        )
    ]
    for faiss in (Bare(own), Refined(own)):
        faiss.prepare(data.pictures, data.examples, Path())
        ratios = []
        for _ in range(3):
            started = time.perf_counter()
            faiss.many(data.texts, effort)
            between = time.perf_counter()
            own.engine.best_many(data.texts, K, "text", effort)
            ratios.append((time.perf_counter() - between) / (between - started))
        name = f"{at}a batch of {len(data.texts):,} beside {faiss.name}"
        if at == LARGE:
            targets.append(Target(name, statistics.median(ratios), at_most=1.1))
        else:
            numbers[name] = statistics.median(ratios)
    numbers[f"{at}{kind}: MB in memory"] = own.index.size_bytes / 1e6
    targets.append(Target(f"{at}seconds to open {kind}", own.open_seconds, at_most=1))
    if kind == "ivf-pq":
        share = own.index.size_bytes / data.pictures.nbytes
        targets.append(Target(f"{at}memory of {kind} beside float32", share, at_most=0.25))
    return targets


def filtered(at: str, ours: Ours, effort: int, data: vectors.Data, numbers: Numbers) -> list[Target]:
    """What a filter costs, and whether it loses anything."""
    texts = Sample("text", data.texts[:60], "texts")
    measured = measure_filters(ours.engine, texts, effort, RECALL)
    for each in measured:
        numbers[f"{at}filter of {each.share:g}: effort, ann_recall@10, ms, exact ms"] = (
            f"{each.effort}, {each.ann_recall:.3f}, {each.milliseconds:.2f}, {each.exact_milliseconds:.2f}"
        )
    generator, found = np.random.default_rng(5), []
    for share in SHARES:
        allowed = generator.random(len(data.pictures)) < share
        through = [each for each in measured if each.share <= share and each.pays(RECALL)]
        answers = [exact_search.top_k(data.pictures, query, K, allowed)[0] for query in texts.vectors[:FILTERED]]
        times: dict[bool, list[float]] = {True: [], False: []}
        right = []
        touch(data.pictures)
        for turn in range(2 * FILTERED):  # twice: what the exact search drove out of the caches is back after one round
            query, answer = texts.vectors[turn % FILTERED], answers[turn % FILTERED]
            other = texts.vectors[(turn + 7) % FILTERED]  # not the same: its way would be in the processor's cache
            for with_filter in (True, False):
                started = time.perf_counter()
                if not with_filter:
                    ours.engine.best(other, K, None, "text", effort)
                elif through and allowed.sum() > FEW:
                    rows, _ = ours.engine.best(query, K, allowed, "text", through[0].effort)
                else:
                    rows, _ = exact_search.top_k(data.pictures, query, K, allowed)
                times[with_filter].append(time.perf_counter() - started)
            assert allowed[rows].all()
            right.append(len(set(rows.tolist()) & set(answer.tolist())) / K)
        median, unfiltered = (1000 * statistics.median(times[which][FILTERED:]) for which in (True, False))
        numbers[f"{at}filter that keeps {share:g}: ms, agreement with exact"] = f"{median:.3f}, {np.mean(right):.4f}"
        found.append(Target(f"{at}a filter that keeps {share:g} beside none", median / unfiltered, at_most=3))
    return found


def write_tables(numbers: Numbers) -> None:
    """What the pages show of the results."""
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), "search", table(numbers)), "utf-8")
    README.write_text(with_table(README.read_text("utf-8"), "search", table(numbers)), "utf-8")


def table(numbers: Numbers) -> str:
    """Each contender's recall and time, on real vectors and at both sizes of made-up ones."""
    columns = {REAL: "149,993 real vectors"} | {f"{n:,}: ": f"{n:,} made-up ones" for n in SIZES}
    lines = [
        "| searching by words | " + " | ".join(f"{shown}: recall@10 | ms" for shown in columns.values()) + " |",
        "| --- " * (1 + 2 * len(columns)) + "|",
    ]
    names = {"ivf-pq": "clipdex `ivf-pq`", "hnsw": "clipdex `hnsw`"}
    others = ("plain HNSW32 in FAISS", "hnswlib", "usearch", "LanceDB IVF_PQ")
    for name, shown in {**names, **{other: other for other in others}}.items():
        cells = [shown]
        for at in columns:
            chosen, milliseconds = numbers.get(f"{at}{name}: effort, ann_recall@10"), numbers.get(f"{at}{name}: ms")
            cells += ["–", "–"] if chosen is None else [chosen.partition(", ")[2][:5], f"{milliseconds:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
