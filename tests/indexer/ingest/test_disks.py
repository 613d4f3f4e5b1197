"""What does a person read whose disk cannot hold a collection, or only be read?

A disk without hard links is made by the kernel: a process may give up its right to make any (seccomp), and then every
disk refuses it as exFAT does. A read-only one is a mount.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.storage import tables
from indexer.maintenance import verify
from indexer.maintenance.compact import compact
from tests.indexer.pictures import index, paint, paint_three, state
from tests.shared import ROOT

# The numbers of the system calls link and linkat.
CALLS = {"x86_64": (86, 265), "aarch64": (37,)}

# A filter in the language of Linux's socket filters: load the call's number, compare, refuse with EPERM or allow.
WITHOUT_LINKS = """
import ctypes, errno, json, struct, sys
calls = json.loads(sys.argv[1])
rules = [(0x20, 0, 0, 0)] + [(0x15, len(calls) - place, 0, call) for place, call in enumerate(calls)]
rules += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    print("no seccomp", flush=True)
    sys.exit()
import os
try:
    os.link(sys.argv[0] or "/etc/passwd", "/nowhere")
except PermissionError:
    pass
from pathlib import Path
import clipdex
from indexer.collection.collection import Collection
from indexer.maintenance.compact import compact
print("ready", flush=True)
for line in sys.stdin:
    folder, to, what = json.loads(line)
    try:
        if what == "index":
            print(clipdex.index(folder, model="toy", to=to).added, flush=True)
        elif what == "search":
            print(len(clipdex.open(to).search("red")), flush=True)
        else:
            compact(Collection.open(Path(to)))
            print("compacted", flush=True)
    except clipdex.ClipdexError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
"""


class Person:
    """Somebody at a machine whose disks make no hard links."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def does(self, what: str, folder: Path, to: Path | None = None) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(folder), to and str(to), what]) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    calls = CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None:
        pytest.skip("needs Linux's seccomp on a processor whose system calls are known here")
    command = [sys.executable, "-c", WITHOUT_LINKS, json.dumps(calls)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline() != "ready\n":
            pytest.skip("this kernel lets no process give up rights")
        yield Person(process)
        process.stdin.close()


def test_a_disk_without_hard_links_points_to_another_place(tmp_path: Path, person: Person) -> None:
    folder = paint_three(tmp_path / "card")
    assert person.does("index", folder) == (
        f"CollectionError: a collection cannot be kept in {folder / '.clipdex'}: the disk cannot make hard links, "
        "which LanceDB needs; choose another place with --to DIR"
    )
    assert not (folder / ".clipdex").exists()  # nothing is left of the attempt
    kept = tmp_path / "kept"
    index(folder, to=kept)  # a disk that makes them
    assert person.does("search", folder, kept) == "3"


def test_a_collection_that_was_copied_to_such_a_disk_is_searched_and_not_written(
    tmp_path: Path, person: Person
) -> None:
    folder = paint_three(tmp_path / "card")
    index(folder)
    paint(folder / "more.jpg", seed=1)
    index(folder)
    paint(folder / "new.jpg")
    before = state(folder)
    kept = folder / ".clipdex"
    said = person.does("index", folder)
    assert said.startswith(f"CollectionError: a collection cannot be kept in {kept}: the disk cannot make hard links")
    assert said.endswith("choose another place with --to DIR")
    assert person.does("search", folder, kept) == "4"
    assert person.does("compact", folder, kept) in ("compacted", "") or "--to DIR" in person.does(
        "compact", folder, kept
    )
    assert state(folder) == before
    assert index(folder).added == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk in memory; `lock_disk` makes it read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def lock_disk(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def test_a_read_only_disk_points_to_another_place(disk: Path, tmp_path: Path) -> None:
    folder = paint_three(disk / "photos")
    lock_disk(disk)
    with pytest.raises(CollectionError, match=r"Read-only file system; choose another place with --to DIR"):
        index(folder)
    assert index(folder, to=tmp_path / "kept").added == 3


def test_a_collection_on_a_read_only_disk_is_searched_verified_and_not_written(disk: Path) -> None:
    folder = paint_three(disk / "photos")
    index(folder)
    lock_disk(disk)
    collection = Collection.find(folder)
    assert clipdex.open(folder).search("red", limit=1)[0].id == "red.jpg"
    assert verify.verify(collection).well
    message = r"cannot be written: Read-only file system; keep one in another place with --to DIR"
    with pytest.raises(CollectionError, match=message):
        index(folder)
    with pytest.raises(CollectionError, match=message):
        compact(collection)
    with pytest.raises(CollectionError, match=message):
        verify.verify(collection, mend=True)


def test_what_forbids_writing_is_said_in_one_line_with_the_way_on(tmp_path: Path) -> None:
    said = "lance error: LanceError(IO): Unable to rename file: Operation not permitted (os error 1), /rust/x.rs\nmore"
    with (
        pytest.raises(CollectionError, match=r"failed: Operation not permitted; .* another place with --to DIR$"),
        tables.storage_errors(tmp_path, "writing"),
    ):
        raise RuntimeError(said)
