"""Does a run that was killed, at any moment, end in the state of one that was not?"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clipdex
from core.errors import CollectionError
from core.inference.load import load_encoder
from indexer.collection.storage import lock, tables
from indexer.ingest import sync
from indexer.ingest.report import Progress
from indexer.ingest.writing import writer
from tests.indexer.dying import Dying, Killed
from tests.indexer.pictures import go_over, index, paint, state
from tests.shared import ROOT


def begin(folder: Path, n: int) -> None:
    """n images, some twice, some broken, some with captions."""
    for number in range(n):
        paint(folder / f"{number % 3}" / f"{number:03}.jpg", seed=number, size=(40, 30 + number % 7))
    (folder / "broken.jpg").write_text("not yet an image")
    (folder / "captions.csv").write_text(
        "image,caption\n" + "".join(f"{k:03}.jpg,words {k % 5}\n" for k in range(0, n, 2))
    )
    (folder / "0" / "000.txt").write_text("one\ntwo\n")


def change(folder: Path, n: int) -> None:
    """Everything that can happen to a folder: new, changed, moved, copied, gone, broken, repaired, other words."""
    for number in range(n, n + n // 2):
        paint(folder / "new" / f"{number:03}.jpg", seed=number)
    for number in range(0, n, 6):
        paint(folder / "0" / f"{number:03}.jpg", seed=1000 + number)
    (folder / "1").rename(folder / "moved")
    for file in sorted((folder / "2").iterdir())[::2]:
        file.unlink()
    shutil.copytree(folder / "moved", folder / "copied")
    paint(folder / "broken.jpg", "white")
    (folder / "0" / "003.jpg").write_bytes(b"broken now")
    (folder / "captions.csv").write_text(
        "image,caption\n" + "".join(f"{k:03}.jpg,words {k % 4}\n" for k in range(0, n, 3))
    )
    (folder / "0" / "000.txt").write_text("two\nthree\n")


@pytest.mark.parametrize("stage", ["embed", "finish"])
def test_a_collection_that_is_deleted_while_it_is_written_to_is_said_and_not_half_made(
    tmp_path: Path, stage: str
) -> None:
    begin(tmp_path, 4)

    def delete(progress: Progress) -> None:
        if progress.stage == stage:
            shutil.rmtree(tmp_path / ".clipdex", ignore_errors=True)

    with pytest.raises(CollectionError, match="was deleted or moved while it was written to: index again"):
        index(tmp_path, progress=delete)
    assert not (tmp_path / ".clipdex").exists()
    assert index(tmp_path).added == 4


def test_a_run_does_not_write_into_a_collection_that_another_run_begins_in_the_place_of_its_own(tmp_path: Path) -> None:
    begin(tmp_path, 4)
    place = tmp_path / ".clipdex"

    def delete(progress: Progress) -> None:
        if progress.stage == "embed":
            shutil.rmtree(place)
            place.mkdir()
            (place / lock.LOCK).touch()

    with pytest.raises(CollectionError, match="was deleted or moved while it was written to"):
        index(tmp_path, progress=delete)
    assert [file.name for file in place.iterdir()] == [lock.LOCK]


def test_a_run_may_stop_before_and_after_every_single_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, undisturbed = tmp_path / "folder", tmp_path / "undisturbed"
    begin(folder, 12)
    monkeypatch.setattr(writer, "COMMIT_ROWS", 8)
    index(folder, to=undisturbed)
    shutil.copytree(undisturbed, tmp_path / "before")
    change(folder, 12)
    index(folder, to=undisturbed)
    expected = state(undisturbed)
    index(folder, to=tmp_path / "fresh")
    assert state(tmp_path / "fresh") == expected  # history leaves no trace

    writes = Dying()
    writes.replace(monkeypatch, tables, "append", "upsert", "remove")
    for moment in writes.moments(step=5):
        victim = tmp_path / f"victim{moment}"
        shutil.copytree(tmp_path / "before", victim)
        writes.left = moment
        try:
            index(folder, to=victim)
        except Killed:
            searcher = clipdex.open(victim)  # whatever is there is consistent
            for hit in searcher.search("words", target="texts", limit=1000):
                assert hit.caption in searcher.item(hit.id).captions
        else:
            break
        writes.left = -1
        index(folder, to=victim)
        assert state(victim) == expected, f"killed at write {moment}"
        shutil.rmtree(victim)
    assert 20 < moment < 999


RUN = """
import sys
from pathlib import Path
import lancedb, PIL.Image, core.image.decode, core.image.preprocess
import clipdex
from indexer.maintenance import compact
from indexer.ingest.writing import writer
from indexer.collection.collection import Collection
from tests.indexer.pictures import go_over
writer.COMMIT_ROWS = 10
what, folder = sys.argv[1:]
print("ready", flush=True)
for line in sys.stdin:
    to = Path(line.rstrip("\\n"))
    if what == "index":
        clipdex.index(folder, model="toy", to=to)
    elif what == "another model":
        go_over(folder, to)
    else:
        compact.compact(Collection.open(to))
    print("done\\nready", flush=True)
"""


def started(what: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, what, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_go(process: subprocess.Popen[str], to: Path) -> None:
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write(f"{to}\n")
    process.stdin.flush()


class Before:
    """What is there when a run begins, and how long one takes that nobody disturbs."""

    def __init__(self, what: str, folder: Path, place: Path) -> None:
        self.what, self.folder, self.victim = what, folder, place / "victim"
        self.kept, undisturbed = place / "before", place / "undisturbed"
        if what != "index":
            index(folder, to=self.kept)
            for number in range(3):  # several versions, for a compaction to have something to do
                paint(folder / "more" / f"{number}.jpg", seed=2000 + number)
                index(folder, to=self.kept)
            shutil.copytree(self.kept, undisturbed)
        self.process = started(what, folder)
        let_go(self.process, undisturbed)
        clock = time.monotonic()
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n"
        self.seconds = time.monotonic() - clock
        self.expected = state(undisturbed)
        self.old = state(self.kept) if what != "index" else None
        self.restore()

    def restore(self) -> None:
        shutil.rmtree(self.victim, ignore_errors=True)
        if self.kept.exists():
            shutil.copytree(self.kept, self.victim)

    def finish(self) -> None:
        """One clean run."""
        if self.what == "another model":
            go_over(self.folder, self.victim)
        else:
            index(self.folder, to=self.victim)

    def look(self) -> bool:
        """Is what a kill left consistent, and is it all there?"""
        if not (self.victim / "collection.json").exists():
            return False
        found = state(self.victim)
        if self.old is None:
            assert found["images"].items() <= self.expected["images"].items()  # whole rows or none
        else:
            assert found in (self.old, self.expected)
        return bool(found["images"] == self.expected["images"])


@pytest.mark.serial
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.long)])
@pytest.mark.parametrize("what", ["index", "another model", "compaction"])
def test_kill_9_at_random_moments_loses_nothing(tmp_path: Path, what: str, kills: int) -> None:
    folder = tmp_path / "folder"
    begin(folder, 60)
    before = Before(what, folder, tmp_path)
    moments = random.Random(kills)
    runs = [before.process, *(started(what, folder) for _ in range(min(kills, 3) - 1))]  # they import while others run
    for number in range(kills):
        with runs.pop(0) as process:
            let_go(process, before.victim)
            time.sleep(moments.random() * before.seconds)
            process.send_signal(signal.SIGKILL)
        complete = before.look()
        if number + len(runs) + 1 < kills:
            runs.append(started(what, folder))
        if complete or number == kills - 1:
            before.finish()
            assert state(before.victim) == before.expected, f"after kill {number}"
            before.restore()


class Moody:
    """The toy encoder, but some images break it: `broken` raise, `strange` give no usable vector, `lost` none."""

    def __init__(
        self, *, broken: tuple[int, ...] = (), strange: tuple[int, ...] = (), lost: tuple[int, ...] = ()
    ) -> None:
        self.toy = load_encoder("toy")
        self.name, self.fingerprint, self.dim, self.logit_scale = "toy", self.toy.fingerprint, self.toy.dim, 1.0
        self.decode_side, self.truncation = self.toy.decode_side, self.toy.truncation
        self.prepare, self.encode_images = self.toy.prepare, self.toy.encode_images
        self.broken, self.strange, self.lost = broken, strange, lost

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        marks = pixels[:, 16, 16, 0].tolist()
        if any(mark in self.broken for mark in marks):
            raise RuntimeError("out of memory")
        vectors = self.toy.encode_prepared(pixels)
        vectors[[mark in self.strange for mark in marks]] = np.nan
        return vectors[[mark not in self.lost for mark in marks]]

    def encode_texts(self, texts: Any) -> np.ndarray:
        if any("unspeakable" in text for text in texts):
            raise ValueError("no such word")
        return self.toy.encode_texts(texts)


def paint_greys(folder: Path, n: int) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for level in range(n):
        Image.new("RGB", (10 + level, 10), (level, 9, 9)).save(folder / f"{level:02}.png")


def test_a_batch_that_fails_is_repeated_one_by_one_and_takes_no_neighbours_with_it(tmp_path: Path) -> None:
    paint_greys(tmp_path, 20)
    report = sync.index(tmp_path, encoder=Moody(broken=(7,), strange=(3, 12)))
    assert (report.added, report.failed) == (17, {"model error": 3})
    found = state(tmp_path)
    assert {row["location"]: row["message"] for row in found["failures"].values()} == {
        "07.png": "07.png: the model failed: RuntimeError: out of memory",
        "03.png": "03.png: the model's vector has length nan, not 1",
        "12.png": "12.png: the model's vector has length nan, not 1",
    }
    expected = load_encoder("toy")
    from core.image.decode import open_image

    for item_id, row in found["images"].items():
        assert row["width"] == 10 + int(item_id[:2])
        vector = expected.encode_images([open_image(tmp_path / item_id)])[0]
        assert np.allclose(row["vector"], vector)
    assert index(tmp_path).added == 3  # failures of the model are tried again


def test_a_vector_too_few_costs_only_the_picture_whose_vector_is_missing(tmp_path: Path) -> None:
    paint_greys(tmp_path, 6)
    report = sync.index(tmp_path, encoder=Moody(lost=(4,)))
    assert (report.added, report.failed) == (5, {"model error": 1})
    found = state(tmp_path)
    assert [row["message"] for row in found["failures"].values()] == [
        "04.png: the model failed: expected 1 vectors, got 0"
    ]
    from core.image.decode import open_image

    for item_id, row in found["images"].items():
        assert np.allclose(row["vector"], load_encoder("toy").encode_images([open_image(tmp_path / item_id)])[0])


def test_a_caption_that_the_model_cannot_embed_fails_its_picture_only(tmp_path: Path) -> None:
    paint_greys(tmp_path, 4)
    (tmp_path / "captions.csv").write_text("image,caption\n01.png,unspeakable\n01.png,fine\n02.png,good\n")
    report = sync.index(tmp_path, encoder=Moody())
    assert (report.added, report.failed, report.texts) == (3, {"model error": 1}, 1)
    assert sorted(state(tmp_path)["images"]) == ["00.png", "02.png", "03.png"]


def test_files_deleted_or_replaced_between_listing_and_reading_are_told(tmp_path: Path) -> None:
    paint_greys(tmp_path, 8)

    def meanwhile(step: clipdex.Progress) -> None:
        if step.stage == "embed" and (tmp_path / "03.png").exists():
            (tmp_path / "03.png").unlink()
            (tmp_path / "04.png").write_bytes((tmp_path / "04.png").read_bytes()[:40])
            (tmp_path / "05.png").unlink()
            (tmp_path / "05.png").mkdir()

    report = index(tmp_path, progress=meanwhile)
    assert report.added == 5
    assert report.failed == {"not an image": 1, "truncated": 1, "vanished": 1}
    assert index(tmp_path).failed == {"truncated": 1}


def test_a_disk_that_goes_away_during_a_run_removes_nothing(tmp_path: Path) -> None:
    from core.errors import SourceError

    folder = tmp_path / "disk"
    paint_greys(folder, 8)
    index(folder, to=tmp_path / "kept")
    for level in range(8):
        os.utime(folder / f"{level:02}.png", (1, level))

    def unplug(step: clipdex.Progress) -> None:
        if step.stage == "embed" and folder.exists():
            folder.rename(tmp_path / "unplugged")

    with pytest.raises(SourceError, match="is the disk connected"):
        index(folder, to=tmp_path / "kept", progress=unplug)
    assert len(state(tmp_path / "kept")["images"]) == 8
    (tmp_path / "unplugged").rename(folder)
    assert index(folder, to=tmp_path / "kept").unchanged == 8
    assert state(tmp_path / "kept")["failures"] == {}
