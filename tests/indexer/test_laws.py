"""Do the laws of ranking hold whatever happened to a collection before, with every kind of index?

Scores are exact cosines; ties come in the order of ids; a page is a part of one ranking; a filter loses nothing;
deleted images never show. Sequences of additions, deletions, captions, runs and rebuilds of indexes are drawn at
random; `CLIPDEX_SLOW=1` draws many more.
"""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import clipdex
from core.inference.load import load_encoder
from indexer.ann.optimize import optimize
from indexer.collection.collection import Collection
from indexer.collection.snapshot import Target
from indexer.search.query import Hit
from indexer.search.searcher import Searcher
from tests.indexer.pictures import COLOURS, index, paint, state

SLOW = os.environ.get("CLIPDEX_SLOW") == "1"
KINDS = ("exact", "hnsw", "ivf-pq")
WORDS = ("red house", "blue", "a white boat and a green tree", "zebra")
FILTERS = {
    "": lambda item: True,
    "folder=a": lambda item: item.startswith("a/"),
    "id=*3*": lambda item: "3" in item,
    "width>9999": lambda item: False,
}

step = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 12)),
    st.tuples(st.just("delete"), st.integers(1, 8)),
    st.tuples(st.just("caption"), st.integers(1, 6)),
    st.tuples(st.just("copy"), st.integers(1, 4)),
    st.tuples(st.just("optimize"), st.sampled_from(KINDS)),
)


def take(folder: Path, what: str, argument: Any, dice: random.Random) -> None:
    """One thing that happens to a collection."""
    files = sorted(folder.glob("?/*.png"))
    if what == "add":
        for _ in range(argument):
            number = dice.randrange(10_000)
            paint(folder / dice.choice("ab") / f"{number}.png", dice.choice(list(COLOURS)), seed=number % 50)
    elif what == "delete":
        for file in dice.sample(files, min(argument, len(files) - 1)):
            file.unlink()
    elif what == "caption":
        for file in dice.sample(files, min(argument, len(files))):
            file.with_suffix(".txt").write_text(f"{dice.choice(WORDS)}\n{dice.choice(WORDS)}")
    elif what == "copy":
        for file in dice.sample(files, min(argument, len(files))):
            (folder / "b" / f"copy-{dice.randrange(10_000)}.png").write_bytes(file.read_bytes())
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an index of a few vectors cannot be measured well
            optimize(Collection.find(folder), kind=argument)
        return
    index(folder, allow_removal=True)


def expected(folder: Path, words: str, where: str, target: Target) -> list[tuple[float, str, str | None]]:
    """Every hit with its exact cosine, spelled out: (score, id, caption of a caption), best first, ties by id."""
    tables = state(folder)
    query = load_encoder("toy").encode_texts([words])[0].astype(np.float64)
    kept = FILTERS[where]

    def score(row: dict[str, Any]) -> float:
        return float(np.float32((np.array(row["vector"], np.float32) * query).sum()))

    if target == "images":
        found = [(score(row), row["id"], 0, None) for row in tables["images"].values() if kept(row["id"])]
    else:
        keys = {row["texts_key"] for row in tables["images"].values()}
        texts = [row for row in tables["texts"].values() if row["key"] in keys and kept(row["image_id"])]
        found = [(score(row), row["image_id"], row["position"], row["text"]) for row in texts]
    found.sort(key=lambda hit: (-hit[0], hit[1], hit[2]))
    return [(hit[0], hit[1], hit[3]) for hit in found]


def told(hits: list[Hit], target: Target) -> list[tuple[float, str, str | None]]:
    return [(hit.score, hit.id, hit.caption if target == "texts" else None) for hit in hits]


def check(searcher: Searcher, folder: Path, words: str, where: str, target: Target, size: int, *, exact: bool) -> None:
    if target == "texts" and not searcher.status().texts:
        return

    def page(limit: int, offset: int = 0, **more: Any) -> list[Hit]:
        return searcher.search(words, where=where or None, target=target, limit=limit, offset=offset, **more)

    truth = expected(folder, words, where, target)
    whole = page(1000)
    found = told(whole, target)
    assert sorted(found, key=str) == sorted(truth, key=str)  # nothing is lost, nothing deleted shows, scores are exact
    if exact:
        assert found == truth
    hybrid = page(1000, hybrid=True)
    assert sorted(told(hybrid, target), key=str) == sorted(truth, key=str)
    for ranking, more in ((whole, {}), (hybrid, {"hybrid": True})):
        assert [hit.rank for hit in ranking] == list(range(1, len(ranking) + 1))
        assert page(size, **more) == page(2 * size, **more)[:size]
        pages = [hit for start in range(0, len(ranking) + 1, size) for hit in page(size, start, **more)]
        assert pages == ranking


@settings(
    deadline=None,
    max_examples=60 if SLOW else 3,
    phases=[Phase.explicit, Phase.generate],  # a failure is told at once and not made smaller for minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps=st.lists(step, min_size=2, max_size=8 if SLOW else 5), seed=st.integers(0, 2**32), data=st.data())
def test_the_laws_hold_after_any_history(steps: list[tuple[str, Any]], seed: int, data: st.DataObject) -> None:
    dice = random.Random(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        take(folder, "add", 8, dice)
        searcher, exact = clipdex.open(folder), True
        for what, argument in steps:
            take(folder, what, argument, dice)
            if what == "optimize":
                exact = argument == "exact"
            words, where = data.draw(st.sampled_from(WORDS)), data.draw(st.sampled_from(list(FILTERS)))
            target: Target = data.draw(st.sampled_from(["images", "texts"]))
            check(searcher, folder, words, where, target, data.draw(st.integers(1, 9)), exact=exact)
