"""Does a collection get the index that suits it, is it measured, and can a bad one do no harm?"""

from __future__ import annotations

import json
import os
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ClipdexWarning, CollectionError, ConfigError
from indexer.ann import candidates as module
from indexer.ann import exact_search
from indexer.ann.build_progress import Step
from indexer.ann.candidates import candidates
from indexer.ann.kinds.hnsw import HNSWIndex
from indexer.ann.optimize import BUILDING, health, optimize
from indexer.ann.selection import choose, needed
from indexer.ann.tuning import nearest
from indexer.collection.collection import Collection
from indexer.collection.index_files import manifest, trust
from indexer.collection.index_files.manifest import FOLDER, Manifest, manifest_file
from indexer.collection.snapshot import Snapshot
from indexer.collection.storage import lock
from indexer.search.searcher import Searcher
from tests.indexer.vectors import D, add, clustered, collection_of, remove

N = 800
VECTORS = clustered(N)
QUERY = clustered(1, seed=77)[0]
GB = 10**9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("optimized")
    optimize(collection_of(folder, VECTORS), kind="hnsw")
    return folder


@pytest.fixture
def collection(made: Path, tmp_path: Path) -> Collection:
    """A copy: its files were not touched by what built them, but are the same, byte for byte."""
    shutil.copytree(made, tmp_path / "copy", symlinks=True)
    return Collection.open(tmp_path / "copy" / ".clipdex")


# --- the choice


@pytest.mark.parametrize(
    ("n", "memory", "local", "kind"),
    [
        (10, None, True, "exact"),
        (100_000, None, True, "exact"),
        (1_000_000, None, True, "ivf-pq"),
        (1_000_000, 200_000_000, True, "ivf-pq"),
        (1_000_000, 100_000_000, True, "lance"),
        (1_000_000, 64 * GB, False, "lance"),
        (100_000, 100_000_000, True, "ivf-pq"),
        (100_000_000, 32 * GB, True, "ivf-pq"),
    ],
)
def test_the_kind_follows_from_size_memory_and_place(n: int, memory: int | None, local: bool, kind: str) -> None:
    choice = choose(n, 512, memory=memory, local=local)
    assert choice.kind == kind
    assert choice.reasons and all(reason for reason in choice.reasons)
    assert memory is None or choice.memory_bytes <= memory


def test_what_is_asked_for_is_taken_and_an_unknown_kind_lists_the_known_ones() -> None:
    assert choose(10, 512, asked="lance").kind == "lance"
    with pytest.raises(ConfigError, match=r"unknown kind of index .ivf.; choose one of: .*auto"):
        choose(10, 512, asked="ivf")


def test_the_memory_that_is_foretold_is_what_an_index_takes() -> None:
    assert HNSWIndex.build(VECTORS).size_bytes == pytest.approx(needed("hnsw", N, D), rel=0.05)


# --- what is measured


def test_both_kinds_of_query_are_measured_and_searched_with_what_was_found(made: Path) -> None:
    manifest = manifest_of(made)
    assert set(manifest.measured) == {"text", "image"}
    for measured in manifest.measured.values():
        assert measured.reached and measured.ann_recall >= 0.98
        efforts = [point.effort for point in measured.curve]
        assert efforts == sorted(efforts) and measured.effort in efforts
        assert all(point.milliseconds > 0 for point in measured.curve)
        smaller = [point.ann_recall for point in measured.curve if point.effort < measured.effort]
        assert all(recall < 0.99 for recall in smaller)
    assert manifest.measured["text"].origin == "everyday phrases"


def test_captions_are_the_queries_to_measure_with_where_there_are_enough(tmp_path: Path) -> None:
    found = optimize(collection_of(tmp_path, VECTORS, clustered(300, seed=3)), kind="hnsw")
    images = found[0].manifest
    assert images is not None
    assert (images.measured["text"].origin, images.measured["text"].queries) == ("the collection's captions", 150)


def test_where_the_fastest_kind_has_to_touch_too_much_the_next_one_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.ann.selection.EXACT_BYTES", 1)
    first = optimize(collection_of(tmp_path, VECTORS), recall=0.5)[0]
    assert (first.choice.kind, first.choice.instead) == ("ivf-pq", ("hnsw",))
    monkeypatch.setattr("indexer.ann.optimize.MOST_TOUCHED", 0)
    found = optimize(Collection.open(tmp_path / ".clipdex"))[0]
    assert found.choice.kind == manifest_of(tmp_path).kind == "hnsw"
    assert any(reason.startswith("ivf-pq found ") for reason in manifest_of(tmp_path).reasons)
    assert len([entry for entry in (tmp_path / ".clipdex" / FOLDER).iterdir() if entry.is_dir()]) == 1


def test_lists_that_have_to_touch_much_are_kept_where_the_graph_misses_the_recall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.ann.selection.EXACT_BYTES", 1)
    monkeypatch.setattr("indexer.ann.optimize.MOST_TOUCHED", 0)
    monkeypatch.setattr(HNSWIndex, "efforts", (1,))
    monkeypatch.setattr("indexer.ann.kinds.hnsw.LINKS", 2)
    monkeypatch.setattr("indexer.ann.kinds.hnsw.BUILD_EFFORT", 1)
    collection, told = collection_of(tmp_path, VECTORS), list[tuple[str, list[int]]]()

    def tell(step: Step) -> None:
        folders = [entry for entry in (tmp_path / ".clipdex" / FOLDER).iterdir() if entry.is_dir()]
        told.append(
            (
                str(step).split(" over")[0].split(" what")[0],
                [(each / manifest.VECTORS).stat().st_nlink for each in folders if (each / manifest.VECTORS).exists()],
            )
        )

    found = optimize(collection, progress=tell)[0]
    assert told == [
        ("step 1 of 4: building ivf-pq", []),
        ("step 2 of 4: measuring by words", [1]),
        ("step 3 of 4: measuring by images", [1]),
        ("step 4 of 4: measuring", [1]),
        ("step 5 of 8: building hnsw", [1]),  # another kind has to be tried
        ("step 6 of 8: measuring by words", [2, 2]),  # the vectors are on the disk once
        ("step 7 of 8: measuring by images", [2, 2]),
        ("step 8 of 8: measuring", [2, 2]),
    ]
    assert found.choice.kind == manifest_of(tmp_path).kind == "ivf-pq"
    (folder,) = [entry for entry in (tmp_path / ".clipdex" / FOLDER).iterdir() if entry.is_dir()]
    for name, file in manifest_of(tmp_path).files.items():  # so that none has to be read when it is opened
        there = (folder / name).stat()
        assert file.stamp == (there.st_ino, there.st_mtime_ns, there.st_ctime_ns)
    assert_right(collection)


def test_an_index_that_cannot_reach_the_recall_says_so_and_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.ann.kinds.hnsw.EFFORTS", (1, 2))
    monkeypatch.setattr(HNSWIndex, "efforts", (1, 2))
    monkeypatch.setattr("indexer.ann.candidates.LEVELS", (10,))
    monkeypatch.setattr("indexer.ann.kinds.hnsw.LINKS", 2)
    monkeypatch.setattr("indexer.ann.kinds.hnsw.BUILD_EFFORT", 1)
    optimize(collection := collection_of(tmp_path, clustered(N, clusters=N)), kind="hnsw", recall=0.9999)
    told = health(collection)[0]
    assert told.problem is not None and "not the 0.9999 that was asked for" in told.problem
    assert told.suggestion is not None and "--kind exact" in told.suggestion and "--recall 0." in told.suggestion


def test_the_nearest_of_many_queries_are_those_of_each() -> None:
    queries = clustered(7, seed=5)
    rows, scores = nearest(VECTORS, queries, 5)
    for query, found, cosines in zip(queries, rows, scores, strict=True):
        expected_rows, expected = exact_search.top_k(VECTORS, query, 5)
        np.testing.assert_allclose(np.sort(cosines)[::-1], expected, atol=1e-6)
        assert len(set(found.tolist()) & set(expected_rows.tolist())) >= 4  # copies may stand for each other


# --- putting into use


def test_a_fitting_index_is_used_and_its_vectors_are_mapped(collection: Collection) -> None:
    snapshot = Snapshot.load(collection)
    assert module.indexed(snapshot, "images") is not None
    assert isinstance(snapshot.vectors.base, np.memmap)
    np.testing.assert_array_equal(snapshot.vectors, VECTORS)
    assert_right(collection)


def test_searches_go_on_while_an_index_is_built_and_switched(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, VECTORS)
    searcher, stop, wrong = Searcher(collection), threading.Event(), []
    expected = exact_search.top_k(VECTORS, QUERY, 10)[0].tolist()

    def search() -> None:
        while not stop.is_set():
            found = candidates(searcher.snapshot(), QUERY, 10)[0].tolist()
            if found != expected:
                wrong.append(found)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        for kind in ("hnsw", "exact", "ivf-pq", "hnsw"):
            optimize(collection, kind=kind)
    finally:
        stop.set()
        thread.join()
    assert not wrong
    assert [entry.name for entry in (collection.path / FOLDER).iterdir() if entry.is_dir()] == [
        manifest_of(tmp_path).folder
    ]


def test_what_a_killed_build_left_is_swept_and_never_used(collection: Collection) -> None:
    left = collection.path / FOLDER / f"{BUILDING}1-dead"
    left.mkdir()
    (left / "index.faiss").write_bytes(b"half")
    assert_right(collection)
    optimize(collection, kind="exact")
    assert sorted(entry.name for entry in (collection.path / FOLDER).iterdir()) == ["lock"]
    assert_right(collection)


def test_two_builds_at_once_are_refused_and_a_search_is_not(collection: Collection) -> None:
    with lock.writing(collection.path / FOLDER):
        with pytest.raises(CollectionError, match="another clipdex optimize is at work"):
            optimize(collection, kind="hnsw")
        assert_right(collection)


@pytest.mark.parametrize(("options", "message"), [({"recall": 0}, "recall 0 is not"), ({"memory": -1}, "-1 bytes")])
def test_options_that_make_no_sense_are_refused(collection: Collection, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        optimize(collection, **options)


def test_a_rebuild_is_suggested_past_a_tenth_of_change(collection: Collection) -> None:
    assert health(collection)[0].suggestion is None
    remove(collection, list(range(40)))
    add(collection, clustered(30, seed=9), N)
    assert health(collection)[0].change == pytest.approx(70 / N, abs=4 / N)
    assert health(collection)[0].suggestion is None
    add(collection, clustered(30, seed=10), N + 30)
    told = health(collection)[0]
    assert told.change > 0.1 and told.suggestion == "clipdex optimize builds a new one"
    assert_right(collection)


# --- what is damaged or hostile


def truncate(folder: Path) -> None:
    file = next(folder.rglob("*.faiss"))
    os.truncate(file, file.stat().st_size // 2)


def flip(folder: Path) -> None:
    """Change one byte, and put the times of the file back."""
    file = next(folder.rglob("*.faiss"))
    before = file.stat()
    with file.open("r+b") as opened:
        opened.seek(before.st_size // 2)
        byte = opened.read(1)[0]
        opened.seek(before.st_size // 2)
        opened.write(bytes([byte ^ 0x80]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove_file(folder: Path) -> None:
    next(folder.rglob("vectors.npy")).unlink()


def add_file(folder: Path) -> None:
    next(folder.rglob("index")).joinpath("more").write_bytes(b"")


def link(folder: Path) -> None:
    file = next(folder.rglob("keys.npy"))
    file.rename(file.with_name("elsewhere"))
    shutil.move(file.with_name("elsewhere"), folder.parent / "elsewhere.npy")
    file.symlink_to(folder.parent / "elsewhere.npy")


def forge(folder: Path) -> None:
    """A hostile graph whose links lead far out of memory, with a manifest that agrees with it in every number."""
    import faiss

    file = next(folder.rglob("*.faiss"))
    index: Any = faiss.read_index(str(file))
    links = faiss.vector_to_array(index.hnsw.neighbors)
    faiss.copy_array_to_vector(np.full_like(links, 2**30), index.hnsw.neighbors)
    faiss.write_index(index, str(file))
    told = trust.read_manifest(folder / "images.json")
    assert told is not None
    forged = told.model_copy(update={"files": trust.describe(folder / told.folder)})
    (folder / "images.json").write_text(forged.model_dump_json())


def break_manifest(folder: Path) -> None:
    (folder / "images.json").write_text('{"format": 1')


def make_manifest_a_folder(folder: Path) -> None:
    (folder / "images.json").unlink()
    (folder / "images.json").mkdir()


def lead_outside(folder: Path) -> None:
    told = json.loads((folder / "images.json").read_text())
    told["folder"] = "../../../tmp"
    (folder / "images.json").write_text(json.dumps(told))


def nest(folder: Path) -> None:
    (folder / "images.json").write_text("[" * 100_000)


HARM = [truncate, flip, remove_file, add_file, link, forge, break_manifest, make_manifest_a_folder, lead_outside, nest]


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_or_hostile_index_means_an_exact_search_and_one_warning(
    collection: Collection, harm: Callable[[Path], None]
) -> None:
    harm(collection.path / FOLDER)
    with pytest.warns(ClipdexWarning, match="clipdex optimize builds a new one"):
        assert_right(collection)
    assert_right(collection)
    told = health(collection)[0]
    assert told.problem is not None and told.kind == "exact"


def test_an_index_that_another_user_built_is_not_opened(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another"))
    os.utime(manifest.manifest_file(collection.path, "images"))  # as another process, which opens the index anew
    with pytest.warns(ClipdexWarning, match="was written elsewhere"):
        assert_right(collection)


def test_a_missing_folder_of_indexes_is_no_problem_at_all(collection: Collection) -> None:
    shutil.rmtree(collection.path / FOLDER)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_right(collection)


def test_an_index_of_another_collection_is_not_used(collection: Collection, tmp_path: Path) -> None:
    other = collection_of(tmp_path / "other", clustered(N, seed=50))
    shutil.copytree(collection.path / FOLDER, other.path / FOLDER)
    with pytest.warns(ClipdexWarning, match="another collection"):
        assert_right(other)


def test_the_key_is_for_the_user_alone(made: Path) -> None:
    key = Path(os.environ["XDG_DATA_HOME"]) / "clipdex" / "index.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.stat().st_size == 32


def manifest_of(folder: Path) -> Manifest:
    found = trust.read_manifest(manifest_file(folder / ".clipdex", "images"))
    assert found is not None
    return found


def assert_right(collection: Collection) -> None:
    snapshot = Snapshot.load(collection)
    rows, scores = candidates(snapshot, QUERY, 10)
    expected_rows, expected_scores = exact_search.top_k(snapshot.vectors, QUERY, 10)
    assert rows.tolist() == expected_rows.tolist()
    assert scores.tolist() == expected_scores.tolist()
