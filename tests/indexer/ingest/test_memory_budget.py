"""Do very large images wait for each other, and only they?"""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from core.errors import ImageError
from core.image.decode import open_reduced
from core.inference.toy import ToyEncoder
from indexer.ingest.embedding.memory_budget import Room
from indexer.ingest.embedding.pipeline import Embedded, Pipeline
from indexer.ingest.embedding.prefetch import Prefetcher
from indexer.ingest.report import Stopwatch
from indexer.sources import Item

Work = Prefetcher[int, int]


def test_what_fits_comes_in_at_once_and_what_does_not_waits_for_somebody_to_leave() -> None:
    room, order = Room(100), []

    def picture(name: str, pixels: int, leave: threading.Event) -> threading.Thread:
        def stay() -> None:
            with room.for_one() as take:
                take(pixels)
                order.append(name)
                assert leave.wait(120)

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


def in_room(
    room: Room, seconds: float, limit: float, hanging: tuple[int, ...] = (), freed: threading.Event | None = None
) -> Work:
    """Work of 16 threads on pieces that all take the whole room; some of them hang in it."""

    def work(number: int) -> int:
        with room.for_one() as take:
            take(room.pixels)
            if number in hanging and freed is not None:
                freed.wait(120)
            time.sleep(seconds)
            return number

    return Prefetcher(work, lambda number: -number, threads=16, window=24, limit=limit)


def test_waiting_for_room_does_not_count_for_the_time_of_a_picture() -> None:
    found = in_room(Room(1), 0.1, limit=1.5).run(range(24))  # the last waits for 2.3 seconds
    assert [result for result in found if result is not None] == list(range(24))


def test_pictures_that_hang_give_their_room_back_whoever_is_waited_for() -> None:
    freed, room = threading.Event(), Room(1)
    started = time.monotonic()
    found = in_room(room, 0, 1.0, (1, 2, 5), freed).run(range(24))
    expected = [-number if number in (1, 2, 5) else number for number in range(24)]
    assert [result for result in found if result is not None] == expected
    assert time.monotonic() - started < 60
    freed.set()
    with room.for_one() as take:  # what was given back early is not given back again
        take(1)
        other = threading.Thread(target=lambda: list(in_room(room, 0, 1.0).run(range(1))))
        other.start()
        other.join(0.1)
        assert other.is_alive()
    other.join()


def test_a_picture_that_was_given_up_before_it_came_gets_no_room() -> None:
    freed, room, told = threading.Event(), Room(1), list[str]()

    def read_slowly(number: int) -> int:
        freed.wait(120)
        try:
            with room.for_one() as take:
                take(1)
        except ImageError as error:
            told.append(error.reason)
        return number

    assert [found for found in Prefetcher(read_slowly, int, threads=1, window=1, limit=0.05).run([1]) if found] == [1]
    freed.set()
    while not told:
        time.sleep(0.001)
    assert told == ["timeout"]


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
