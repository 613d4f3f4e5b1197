"""Do very large pictures wait for each other, and only they?"""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from core.images import open_reduced
from core.toy import ToyEncoder
from indexer.runs.pipeline import Embedded, Pipeline
from indexer.runs.report import Stopwatch
from indexer.runs.room import Room
from indexer.sources import Item


def test_what_fits_comes_in_at_once_and_what_does_not_waits_for_somebody_to_leave() -> None:
    room, order = Room(100), []

    def picture(name: str, pixels: int, leave: threading.Event) -> threading.Thread:
        def stay() -> None:
            with room.for_one() as take:
                take(pixels)
                order.append(name)
                assert leave.wait(10)

        thread = threading.Thread(target=stay)
        thread.start()
        return thread

    first, second = threading.Event(), threading.Event()
    threads = [picture("60", 60, first), picture("40", 40, second)]
    while len(order) < 2:
        time.sleep(0.001)
    threads.append(picture("50", 50, second))
    time.sleep(0.05)
    assert sorted(order) == ["40", "60"]
    first.set()
    while len(order) < 3:
        time.sleep(0.001)
    second.set()
    for thread in threads:
        thread.join()
    assert order[2] == "50"


def test_a_picture_larger_than_the_room_is_let_in_alone_and_one_that_fails_leaves() -> None:
    room = Room(10)

    def fail() -> None:
        with room.for_one() as take:
            take(1000)
            raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            fail()
    with room.for_one() as take:
        take(10)


@pytest.mark.parametrize(("kind", "decoded"), [("PNG", 1600 * 1200), ("JPEG", 400 * 300)])
def test_it_is_told_what_will_be_decoded_before_it_is(tmp_path: Path, kind: str, decoded: int) -> None:
    out = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(out, kind)
    told: list[int] = []
    (tmp_path / "a").write_bytes(out.getvalue())
    for source in (out.getvalue(), tmp_path / "a"):
        open_reduced(source, 300, admit=told.append)
    assert told == [decoded, decoded]


def test_pictures_that_are_all_too_large_are_indexed_one_after_the_other(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (40 + number, 30), "teal").save(tmp_path / f"{number}.png")
    pipeline = Pipeline(lambda name: (tmp_path / name).read_bytes(), ToyEncoder(), Stopwatch())
    pipeline.room = Room(1)
    items = [Item(file.name, 1, 1) for file in sorted(tmp_path.iterdir())]
    found = [outcome for outcome in pipeline.run(items, None) if outcome is not None]
    assert [(type(outcome), outcome.item) for outcome in found] == [(Embedded, item) for item in items]
