"""Is long work begun once, followed, stopped and told of, whatever becomes of it?"""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from streamlit import config

import clipdex
from app.cli.commands.ui import environment
from app.jobs.supervisor import Job, Jobs
from app.jobs.worker import TASKS, Order, Teller
from app.library import open_collections
from app.server import failure_preview
from app.web.components.job_progress import describe_job
from core.errors import CollectionError, SourceError
from indexer.ann.build_progress import Step
from indexer.collection.collection import Collection
from indexer.collection.storage import lock
from indexer.ingest.last_run import FILE, recall
from tests.app.conftest import fill, paint

PATIENCE = 300  # seconds
COUNT = 300


def waited(job: Job) -> Job:
    """The job once it is over."""
    end = time.monotonic() + PATIENCE
    while not job.is_over:
        assert time.monotonic() < end, "the work does not end"
        time.sleep(0.02)
    return job


def pictures(folder: Path, count: int) -> Order:
    """An order to index so many new images."""
    for number in range(count):
        paint(folder / f"{number:04}.png", "red", number)
    return Order(task="index", to=str(folder / ".clipdex"), sources=(str(folder),), model="toy")


def many(folder: Path) -> Order:
    """An order that takes a while."""
    fill(folder, COUNT)
    return Order(task="index", to=str(folder / ".clipdex"), sources=(str(folder),), model="toy")


def test_a_run_is_followed_to_its_report(tmp_path: Path) -> None:
    work = Jobs()
    order = pictures(tmp_path, 3)
    (tmp_path / "bad.jpg").write_text("no image")
    job = waited(work.start(order, tmp_path, "Indexing"))
    assert job.state == "done"
    assert job.report is not None
    assert (job.report.added, job.report.failed) == (3, {"not an image": 1})
    assert job.progress is not None
    assert (job.progress.done, job.progress.total) == (4, 4)
    assert [work.of(tmp_path / ".clipdex"), work.all()] == [job, [job]]
    work.dismiss(job)
    assert work.all() == []
    last = recall(Collection.find(tmp_path))
    assert last is not None
    assert last.done() == "3 added, 1 could not be read"


def test_a_run_is_stopped_after_its_batch_and_the_next_goes_on(tmp_path: Path) -> None:
    work = Jobs()
    order = many(tmp_path)
    job = work.start(order, tmp_path, "Indexing")
    with pytest.raises(CollectionError, match=r"is busy \(Indexing\)"):
        work.start(order, tmp_path, "Again")
    while not job.is_over and (job.progress is None or job.progress.stage != "embed"):
        time.sleep(0.01)
    work.stop(job)
    assert waited(job).state == "stopped"
    assert job.report is not None
    assert job.report.left > 0
    committed = clipdex.open(tmp_path).status().images
    assert committed == job.report.added
    done = set(clipdex.open(tmp_path).snapshot().ids)
    left = [file for file in sorted(tmp_path.glob("*/*.png")) if f"{file.parent.name}/{file.name}" not in done]
    for file in left[3:]:
        file.unlink()
    job = waited(work.start(order.model_copy(update={"model": None, "sources": ()}), tmp_path, "Indexing"))
    assert job.report is not None
    assert (job.report.unchanged, job.report.added) == (committed, 3)


def test_work_that_is_stopped_before_it_has_begun_is_stopped(tmp_path: Path) -> None:
    work, order = Jobs(), many(tmp_path)
    begun: list[Job] = []
    starting = threading.Thread(target=lambda: begun.append(work.start(order, tmp_path, "Indexing")))
    starting.start()
    while not work.all():  # it is known before its program runs
        time.sleep(0)
    work.stop(work.all()[0])
    starting.join()
    assert waited(begun[0]).state == "stopped"
    assert begun[0].report is None or begun[0].report.left > 0


def test_what_only_foretells_gives_way_to_indexing(tmp_path: Path) -> None:
    work, order = Jobs(), pictures(tmp_path, 2)
    foretold = work.start(order.model_copy(update={"task": "forecast"}), tmp_path, "What would change")
    job = waited(work.start(order, tmp_path, "Indexing"))
    assert (job.state, job.message, work.all()) == ("done", "", [job])
    assert waited(foretold).state == "stopped"
    assert clipdex.open(tmp_path).status().images == 2


def test_the_end_of_the_server_ends_the_work(tmp_path: Path) -> None:
    job = Jobs().start(many(tmp_path), tmp_path, "Indexing")
    while not job.is_over and (job.progress is None or job.progress.stage != "embed"):
        time.sleep(0.01)
    assert job.process is not None
    assert job.process.stdin is not None
    job.process.stdin.close()
    assert waited(job).state == "stopped"
    assert not lock.is_held(tmp_path / ".clipdex")


def test_work_that_is_killed_says_so_and_leaves_the_collection_whole(tmp_path: Path) -> None:
    job = Jobs().start(many(tmp_path), tmp_path, "Indexing")
    while not job.is_over and (job.progress is None or job.progress.stage != "embed"):
        time.sleep(0.01)
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGKILL)
    assert waited(job).state == "failed"
    assert "it was killed, perhaps because memory ran out" in job.message
    assert clipdex.open(tmp_path).status().images < COUNT


def test_what_the_library_refuses_is_told(tmp_path: Path) -> None:
    work = Jobs()
    order = pictures(tmp_path, 1)
    clipdex.index(tmp_path, model="toy")
    with lock.writing(tmp_path / ".clipdex"):
        job = waited(work.start(order, tmp_path, "Indexing"))
    assert (job.state, "another run is indexing this folder" in job.message) == ("failed", True)
    job = waited(work.start(Order(task="verify", to=str(tmp_path / "none")), tmp_path, "Verifying"))
    assert "is not a finished collection" in job.message


def test_upkeep_is_work_too(tmp_path: Path) -> None:
    work = Jobs()
    pictures(tmp_path, 2)
    clipdex.index(tmp_path, model="toy")
    to = str(tmp_path / ".clipdex")
    job = waited(work.start(Order(task="verify", to=to), tmp_path, "Verifying"))
    assert "nothing is wrong" in job.result["lines"][0]
    for task, said in (("compact", "before"), ("optimize", "images: exact")):
        order = Order.model_validate({"task": task, "to": to})
        assert said in TASKS[order.task](order, Teller(io.StringIO()))["result"]["lines"][0]


def test_the_steps_of_building_an_index_are_told_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, 2)
    clipdex.index(tmp_path, model="toy")
    monkeypatch.setattr("indexer.ann.selection.EXACT_BYTES", 1)
    monkeypatch.setattr("indexer.ann.optimize.MOST_TOUCHED", 1.0)
    out = io.StringIO()
    order = Order(task="optimize", to=str(tmp_path / ".clipdex"))
    result = TASKS["optimize"](order, Teller(out))["result"]
    assert result["lines"][0].startswith("images: ivf-pq")
    steps = [Step(**json.loads(line)["step"]) for line in out.getvalue().splitlines()]
    assert [(step.number, step.of) for step in steps] == [(number, 4) for number in range(1, 5)]
    assert steps[0].message == "building ivf-pq over 2 images"
    job = Job(1, order, tmp_path, "Building", began=time.time() - 100, step=steps[1], step_began=time.time() - 70)
    assert describe_job(job) == (
        "Step 2 of 4: measuring by words what it finds of the exact answer · 1:10 at this step, 1:40 so far"
    )


def test_a_damaged_account_of_the_last_run_is_none(tmp_path: Path) -> None:
    pictures(tmp_path, 1)
    clipdex.index(tmp_path, model="toy")
    (tmp_path / ".clipdex" / FILE).write_text('{"ended": "yesterday"}')
    assert recall(Collection.find(tmp_path)) is None


# --- what may be read ------------------------------------------------------------------------------------------------


def test_where_only_this_machine_comes_in_any_readable_folder_may_be_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment([]).items():  # what the server is started with
        monkeypatch.setenv(name, value)
    before = config.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    try:
        assert open_collections.roots() is None
        monkeypatch.setenv("CLIPDEX_FOLDERS", environment([], readable=[str(tmp_path)])["CLIPDEX_FOLDERS"])
        assert open_collections.roots() == [tmp_path]
        monkeypatch.setenv("CLIPDEX_FOLDERS", environment([])["CLIPDEX_FOLDERS"])
        assert open_collections.allowed(f" {tmp_path} ") == tmp_path
        assert open_collections.allowed("~") == Path.home()
    finally:
        config.set_option("server.address", before)


def test_where_others_come_in_only_named_folders_may_be_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, more, secret = (tmp_path / name for name in ("named", "more", "secret"))
    for folder in (named, more, secret):
        (folder / "inside").mkdir(parents=True)
    (named / "way out").symlink_to(secret)
    monkeypatch.setenv("CLIPDEX_TOKEN", "a token of some length")
    monkeypatch.setenv("CLIPDEX_COLLECTION", f'["{named}"]')
    monkeypatch.setenv("CLIPDEX_FOLDERS", f'["{more}"]')
    assert open_collections.allowed(str(named / "inside")) == named / "inside"
    assert open_collections.allowed(str(more)) == more
    for refused in (
        secret,
        named / ".." / "secret",
        named / "way out" / "inside",
        tmp_path / "not there",
        Path("/etc"),
    ):
        with pytest.raises(SourceError, match="may not be read from here"):
            open_collections.allowed(str(refused))
        with pytest.raises(SourceError, match="may not be read from here"):
            open_collections.allowed(str(refused), new=True)
    with pytest.raises(SourceError, match="start the server with it"):
        open_collections.to_open("s3://bucket/collection")


# --- what can be shown of a broken file -----------------------------------------------------------------------------


def test_half_a_photo_is_shown_and_nothing_of_what_is_none(tmp_path: Path) -> None:
    Image.effect_noise((400, 300), 60).convert("RGB").save(tmp_path / "whole.jpg")
    half = (tmp_path / "whole.jpg").read_bytes()[:20_000]
    (tmp_path / "half.jpg").write_bytes(half)
    (tmp_path / "none.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    clipdex.index(tmp_path, model="toy")
    searcher = clipdex.open(tmp_path)
    failures = searcher.failures()
    assert {failure.location for failure in failures} == {"half.jpg", "none.jpg"}
    seen = failure_preview.previews_of(searcher.collection, failures)
    assert list(seen) == ["half.jpg"]
    with Image.open(io.BytesIO(seen["half.jpg"])) as shown:
        assert shown.size == (168, 126)
