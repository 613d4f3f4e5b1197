"""Does each of many readers see one consistent version while a run writes?"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import clipdex
from indexer.search.searcher import Searcher
from tests.indexer.pictures import COLOURS, index, paint
from tests.shared import ROOT

ROUNDS = 12 if os.environ.get("CLIPDEX_SLOW") == "1" else 4
ALWAYS, SOMETIMES = 12, 8  # images that stay, and images that come and go


def change(folder: Path, round_number: int) -> None:
    """Other captions for all, and some images come or go."""
    for number in range(ALWAYS + SOMETIMES):
        file = folder / "ab"[number % 2] / f"{number:02}.png"
        if number >= ALWAYS and (number + round_number) % 2:
            file.unlink(missing_ok=True)
            continue
        if not file.exists():
            paint(file, list(COLOURS)[number % 4], seed=number // 2)
        file.with_suffix(".txt").write_text(f"{number:02} in round {round_number}\nred {number:02}")


def look(searcher: Searcher, times: int) -> None:
    """Search, and check what is true of every single version."""
    for _ in range(times):
        hits = searcher.search("red", limit=100)
        ids = [hit.id for hit in hits]
        assert len(set(ids)) == len(ids) >= ALWAYS
        assert {f"{'ab'[number % 2]}/{number:02}.png" for number in range(ALWAYS)} <= set(ids)
        assert [(-hit.score, hit.id) for hit in hits] == sorted((-hit.score, hit.id) for hit in hits)
        assert all(hit.caption is None or hit.caption.startswith(f"{Path(hit.id).stem} in round") for hit in hits)
        assert all(hit.caption for hit in hits if int(Path(hit.id).stem) < ALWAYS)
        captions = searcher.search("red", target="texts", limit=200)
        assert len(captions) % 2 == 0
        assert all(Path(hit.id).stem in (hit.caption or "") for hit in captions)
        kept = searcher.search("red", where="folder=a", hybrid=True, limit=100)
        assert {hit.id[0] for hit in kept} == {"a"}
        assert all(hit.parts["full text"] > 0 for hit in kept)  # each has the caption "red …", in any version


READER = """
import sys, clipdex
from pathlib import Path
from tests.indexer.collection.test_readers import look
folder = Path(sys.argv[1])
searcher, times = clipdex.open(folder), 0
while not (folder / "done").exists() or not times:
    look(searcher, 1)
    look(clipdex.open(folder), 1)
    times += 1
print(times)
"""


@pytest.mark.serial
def test_readers_in_threads_and_processes_see_whole_versions_while_a_run_writes(tmp_path: Path) -> None:
    change(tmp_path, 0)
    index(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error::UserWarning", "-c", READER, str(tmp_path)]
    readers = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    searcher, problems, over = clipdex.open(tmp_path), [], threading.Event()

    def read() -> None:
        try:
            while not over.is_set():
                look(searcher, 1)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, ROUNDS + 1):
            change(tmp_path, number)
            assert index(tmp_path).failed == {}
    finally:
        over.set()
        (tmp_path / "done").touch()
        ended = [reader.communicate(timeout=300) for reader in readers]
        for thread in threads:
            thread.join()
    assert problems == []
    assert [reader.returncode for reader in readers] == [0, 0], ended
    assert all(int(out) >= 1 for out, _ in ended)
    look(searcher, 1)
