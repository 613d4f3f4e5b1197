"""Is a collection opened safely, and refused with a sentence that helps?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.storage.migrations import FORMAT_VERSION
from tests.indexer.pictures import ids, index, paint, paint_three
from tests.shared import ROOT


def change(key: str, value: Any) -> Callable[[Path], None]:
    def apply(collection: Path) -> None:
        file = collection / "collection.json"
        info = json.loads(file.read_text())
        info[key] = value
        file.write_text(json.dumps(info))

    return apply


def damage_manifests(collection: Path) -> None:
    for file in (collection / "images.lance" / "_versions").iterdir():
        file.write_bytes(b"junk")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (lambda path: (path / "collection.json").write_text('{"format_ver'), "is damaged .* delete"),
    "not an object": (lambda path: (path / "collection.json").write_text("[]"), "is damaged"),
    "not text": (lambda path: (path / "collection.json").write_bytes(b"\xff\xfe\x00"), "is damaged"),
    "missing": (lambda path: (path / "collection.json").unlink(), "not a finished collection: run clipdex index"),
    "newer": (
        change("format_version", 99),
        f"has format 99 and this clipdex knows formats up to {FORMAT_VERSION}; update clipdex",
    ),
    "no version": (change("format_version", None), "names no format version"),
    "odd version": (change("format_version", -1), "names no format version"),
    "no model": (change("model", {}), "model.name: Field required"),
    "unknown field": (change("extra", 1), "extra"),
    "no source": (change("sources", []), "sources"),
    "no table": (lambda path: shutil.rmtree(path / "texts.lance"), "no table texts; clipdex verify"),
    "no images": (lambda path: shutil.rmtree(path / "images.lance"), "no table images; .* tags and concepts go"),
    "damaged table": (damage_manifests, "opening the collection .* failed"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_collection_is_one_sentence(tmp_path: Path, kind: str) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    apply, message = DAMAGE[kind]
    apply(tmp_path / ".clipdex")
    with pytest.raises(CollectionError, match=message) as caught:
        clipdex.open(tmp_path).search("red")
    assert "\n" not in str(caught.value)
    if kind in ("missing", "no table"):  # a run makes anew what never was finished, or holds nothing of its own
        index(tmp_path)
        assert len(clipdex.open(tmp_path).search("red")) == 3
    else:
        with pytest.raises(CollectionError):
            index(tmp_path)


@pytest.mark.parametrize("to", [None, "kept"])
def test_what_came_to_a_collection_later_does_not_keep_a_run_from_making_it_anew(
    tmp_path: Path, to: str | None
) -> None:
    paint_three(tmp_path / "photos")
    kept = tmp_path / "photos" / ".clipdex" if to is None else tmp_path / to
    index(tmp_path / "photos", to=None if to is None else kept)
    for name in ("indexes", "map"):
        (kept / name).mkdir()
    assert (kept / "last-run.json").exists()
    (kept / "collection.json").unlink()
    with pytest.raises(CollectionError, match=r"copy of its collection\.json .* a new one knows no tags"):
        Collection.open(kept)
    assert index(tmp_path / "photos", to=None if to is None else kept).added == 3
    strange = tmp_path / "strange"
    (strange / "map").mkdir(parents=True)
    with pytest.raises(CollectionError, match=r"holds other things \(map\)"):
        index(tmp_path / "photos", to=strange)


def test_a_collection_is_found_from_below(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "a" / "b", tmp_path / ".clipdex"):
        assert Collection.find(place).path == tmp_path / ".clipdex"


def test_the_nearest_collection_wins(tmp_path: Path) -> None:
    paint_three(tmp_path)
    paint(tmp_path / "album" / "a.jpg")
    index(tmp_path)
    index(tmp_path / "album")
    assert ids(tmp_path / "album") == ["a.jpg"]
    assert ids(tmp_path) == ["album/a.jpg", "blue.png", "green.jpg", "red.jpg"]


def test_a_folder_never_indexed_says_how_to_index_it(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match=re.escape(f"or above; make one: clipdex index {tmp_path}")):
        clipdex.open(tmp_path)


def test_a_missing_folder_is_not_searched_in_its_parent(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    with pytest.raises(CollectionError, match="there is no folder"):
        clipdex.open(tmp_path / "typo")


def test_a_collection_does_not_move_into_a_folder_with_other_things(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "a")
    paint(tmp_path / "full" / "precious.jpg")
    with pytest.raises(CollectionError, match=r"holds other things \(precious\.jpg\); choose an empty folder"):
        index(folder, to=tmp_path / "full")
    with pytest.raises(CollectionError, match="cannot be kept"):
        index(folder, to=folder / "red.jpg")


@pytest.mark.parametrize("name", ["100% #1 ?&=", "é ☃", "a%20b", 'it\'s "so"'])
def test_a_folder_may_have_any_printable_name(tmp_path: Path, name: str) -> None:
    index(paint_three(tmp_path / name))
    assert clipdex.open(tmp_path / name).search("red", limit=1)[0].path == tmp_path / name / "red.jpg"


@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines"])
def test_a_folder_with_a_name_that_the_database_cannot_hold_points_to_another_place(
    tmp_path: Path, name: bytes
) -> None:
    folder = paint_three(tmp_path / os.fsdecode(name))
    with pytest.raises(CollectionError, match="choose a plain name with --to DIR"):
        index(folder)
    index(folder, to=tmp_path / "kept")
    hit = clipdex.open(tmp_path / "kept").search("red", limit=1)[0]
    assert hit.path == folder / "red.jpg"
    assert hit.path.exists()


def test_a_link_to_a_collection_belongs_to_the_folder_of_the_link(tmp_path: Path) -> None:
    folder = paint_three(tmp_path / "photos")
    (tmp_path / "fast disk").mkdir()
    (folder / ".clipdex").symlink_to(tmp_path / "fast disk")
    index(folder)
    assert clipdex.open(folder).search("red", limit=1)[0].path == folder / "red.jpg"
    assert (tmp_path / "fast disk" / "collection.json").exists()


HOLD = """
import sys
from pathlib import Path
from indexer.collection.storage import lock
with lock.writing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_at_once_are_refused_and_a_dead_one_blocks_nobody(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".clipdex")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CollectionError, match=rf"another run is indexing this folder \(process {other.pid}\)"):
            index(tmp_path)
        assert clipdex.open(tmp_path).search("red")[0].id == "red.jpg"  # searches go on
        other.kill()
    assert (tmp_path / ".clipdex" / "lock").exists()
    assert index(tmp_path).unchanged == 3


INDEX = """
import json, sys
from pathlib import Path
import clipdex
for line in sys.stdin:
    folder, to = json.loads(line)
    try:
        report = clipdex.index(folder, model="toy", to=to)
        print(report.added, report.unchanged, report.removed, report.kept, report.failed, flush=True)
    except clipdex.ClipdexError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
"""


@pytest.fixture(scope="module")
def as_others() -> Iterator[Callable[..., str]]:
    """Index in a process that permissions bind: root gives up its right to pass over them."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root needs setpriv to be refused anything")
        prefix = [setpriv, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    command = [*prefix, sys.executable, "-c", INDEX]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(folder: Path, to: Path | None = None) -> str:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps([str(folder), None if to is None else str(to)]) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield run
        assert process.stdin is not None
        process.stdin.close()


def test_a_read_only_folder_points_to_another_place(tmp_path: Path, as_others: Callable[..., str]) -> None:
    folder = paint_three(tmp_path / "photos")
    folder.chmod(0o555)
    said = as_others(folder)
    assert said.startswith("CollectionError: a collection cannot be kept in")
    assert said.endswith("Permission denied; choose another place with --to DIR")
    assert as_others(folder, tmp_path / "kept") == "3 0 0 0 {}"
    folder.chmod(0o755)


def test_a_collection_that_became_read_only_is_searched_and_not_written(
    tmp_path: Path, as_others: Callable[..., str]
) -> None:
    folder = paint_three(tmp_path / "photos")
    index(folder)
    kept = folder / ".clipdex"
    everything = [kept, *kept.rglob("*")]
    for place in everything:
        place.chmod(0o555 if place.is_dir() else 0o444)
    assert as_others(folder) == (
        f"CollectionError: the collection {kept} cannot be written: Permission denied; "
        "keep one in another place with --to DIR"
    )
    (kept / "lock").chmod(0o644)
    assert as_others(folder).startswith(f"CollectionError: writing the collection {kept} failed: ")
    assert clipdex.open(folder).search("red")[0].id == "red.jpg"
    for place in everything:
        place.chmod(0o755)


def test_files_and_folders_without_permission_are_failures_and_lose_nothing(
    tmp_path: Path, as_others: Callable[..., str]
) -> None:
    folder = paint_three(tmp_path / "photos")
    paint(folder / "album" / "a.jpg", "white")
    kept = tmp_path / "kept"
    (folder / "red.jpg").chmod(0)
    assert as_others(folder, kept) == "3 0 0 0 {'no permission': 1}"
    (folder / "album").chmod(0)
    assert as_others(folder, kept) == "0 2 0 1 {'no permission': 2}"
    assert "album/a.jpg" in ids(kept)
    failed = {failure.location: failure.reason for failure in clipdex.open(kept).failures()}
    assert failed == {"red.jpg": "no permission", "album/": "no permission"}
    (folder / "album").chmod(0o755)
    (folder / "red.jpg").chmod(0o644)  # neither size nor time changes: it is tried again all the same
    assert as_others(folder, kept) == "1 3 0 0 {}"
    assert clipdex.open(kept).failures() == []
    folder.chmod(0)
    assert as_others(folder, kept) == f"SourceError: the folder {folder} cannot be read: Permission denied"
    folder.chmod(0o755)
    assert len(ids(kept)) == 4
