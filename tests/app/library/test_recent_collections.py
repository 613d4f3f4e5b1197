"""Is what was opened in the browser there again the next time, and only what may be seen?"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.commands import ui
from app.jobs.supervisor import jobs
from app.library import open_collections, path_probe, recent_collections, searchers
from app.web import state
from app.web.components.markdown import as_text
from tests.app.jobs.test_jobs import pictures, waited
from tests.app.web.test_library import COUNT, at
from tests.app.web.test_pages import shown


@pytest.fixture(autouse=True)
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a person who has opened nothing yet."""
    path = tmp_path / "state" / "collections.json"
    monkeypatch.setenv(recent_collections.VARIABLE, str(path))
    monkeypatch.setenv("CLIPDEX_COLLECTION", "[]")
    monkeypatch.setenv("CLIPDEX_FOLDERS", '["/"]')
    begin_anew()
    yield path
    begin_anew()


def begin_anew() -> None:
    """What the end of a server forgets."""
    for job in jobs.all():
        waited(job)
        jobs.dismiss(job)
    open_collections._added.clear()
    open_collections._removed.clear()


def test_what_was_added_is_there_again_and_what_was_removed_is_not(tmp_path: Path, listed: Path) -> None:
    odd = Path(os.fsdecode(bytes(tmp_path) + b'/caf\xe9 "1"\''))
    for place in (tmp_path / "ü ~ {}", odd, tmp_path / "c"):
        open_collections.add(place)
    open_collections.remove(tmp_path / "c")
    begin_anew()
    assert open_collections.open_places() == [tmp_path / "ü ~ {}", odd]
    open_collections.remove(odd)
    assert open_collections.open_places() == [tmp_path / "ü ~ {}"]
    begin_anew()
    assert open_collections.open_places() == [tmp_path / "ü ~ {}"]
    assert [each.name for each in sorted(listed.parent.iterdir())] == ["collections.json", "collections.json.lock"]
    assert listed.stat().st_mode & 0o77 == 0


def test_those_the_server_was_started_with_stand_first_and_are_not_remembered_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_collections.add(tmp_path / "a")
    monkeypatch.setenv("CLIPDEX_COLLECTION", json.dumps([str(tmp_path / "b")]))
    open_collections.add(tmp_path / "b")
    assert open_collections.open_places() == [tmp_path / "b", tmp_path / "a"]
    begin_anew()
    monkeypatch.setenv("CLIPDEX_COLLECTION", "[]")
    assert open_collections.open_places() == [tmp_path / "a"]


def test_nothing_is_remembered_where_that_is_not_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recent_collections.VARIABLE, "")
    open_collections.add(tmp_path)
    assert (open_collections.open_places(), recent_collections.remembered_places(), recent_collections.file()) == (
        [tmp_path],
        [],
        None,
    )
    begin_anew()
    assert open_collections.open_places() == []
    monkeypatch.delenv(recent_collections.VARIABLE)
    assert recent_collections.file() == Path(os.environ["XDG_STATE_HOME"]) / "clipdex" / "collections.json"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"collections": {}}', b"\xff\xfe", b"[" * 100_000, b'{"collections": 1}', b"null"]
)
def test_a_damaged_list_is_an_empty_one_that_is_said_and_put_aside(
    tmp_path: Path, listed: Path, content: bytes
) -> None:
    listed.parent.mkdir()
    listed.write_bytes(content)
    assert recent_collections.remembered_places() == []
    assert "is damaged" in recent_collections.problem()
    open_collections.add(tmp_path)
    assert recent_collections.remembered_places() == [str(tmp_path)]
    assert recent_collections.problem() == ""
    assert listed.with_name("collections.json.damaged").read_bytes() == content


def test_what_is_no_place_is_left_out_and_said(listed: Path) -> None:
    good = ["/a", "s3://bucket/collection"]
    bad = [
        "",
        "a/b",
        "~/c",
        "/a\0b",
        "/" + "x" * 5000,
        "http://h/x",
        "s3://",
        "/\ud800",
        7,
        None,
        ["/d"],
        "/a",
        "/x/../a",
    ]
    listed.parent.mkdir()
    listed.write_text(json.dumps({"collections": [*good, *bad]}))
    assert recent_collections.remembered_places() == good
    assert f"{len(bad)} entries name no place" in recent_collections.problem()


def test_no_more_are_remembered_than_a_page_can_show(tmp_path: Path) -> None:
    for number in range(recent_collections.MOST):
        recent_collections.remember(f"/{number}")
    recent_collections.remember("/one more")
    assert recent_collections.remembered_places() == [f"/{number}" for number in range(recent_collections.MOST)]
    assert f"No more than {recent_collections.MOST}" in recent_collections.problem()
    recent_collections.forget_place("/0")
    recent_collections.remember("/one more")
    assert (recent_collections.remembered_places()[-1], recent_collections.problem()) == ("/one more", "")


def test_a_list_that_cannot_be_written_ends_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(recent_collections.VARIABLE, str(tmp_path / "file" / "list.json"))
    open_collections.add(tmp_path)
    assert open_collections.open_places() == [tmp_path]
    assert "cannot be written" in recent_collections.problem()


def test_what_is_no_file_is_neither_read_nor_put_aside(tmp_path: Path, listed: Path) -> None:
    listed.mkdir(parents=True)
    (listed / "picture.jpg").touch()
    open_collections.add(tmp_path)
    assert "cannot be read (it is not a regular file)" in recent_collections.problem()
    assert "cannot be written (it is not a regular file)" in recent_collections.problem()
    assert [file.name for file in listed.iterdir()] == ["picture.jpg"]


def test_servers_that_write_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    recent_collections.remember("/gone")

    def server(number: int) -> None:
        for each in range(5):
            recent_collections.remember(f"/{number}/{each}")
        recent_collections.forget_place("/gone")

    servers = [threading.Thread(target=server, args=(number,)) for number in range(6)]
    for each in servers:
        each.start()
    for each in servers:
        each.join()
    assert sorted(recent_collections.remembered_places()) == sorted(
        f"/{number}/{each}" for number in range(6) for each in range(5)
    )


def test_what_another_server_opens_is_seen_at_once(tmp_path: Path, listed: Path) -> None:
    open_collections.add(tmp_path / "a")
    listed.write_text(json.dumps({"collections": [str(tmp_path / "a"), str(tmp_path / "b")]}))
    assert open_collections.open_places() == [tmp_path / "a", tmp_path / "b"]


def test_where_folders_are_restricted_no_other_collection_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "open" / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    (tmp_path / "open" / "way out").symlink_to(outside)
    for place in (inside, outside, tmp_path / "open" / "way out", tmp_path / "open" / ".." / "out"):
        recent_collections.remember(str(place))
    recent_collections.remember("s3://bucket/collection")
    monkeypatch.setenv("CLIPDEX_FOLDERS", json.dumps([str(tmp_path / "open")]))
    assert open_collections.open_places() == [inside]
    open_collections.remove(inside)
    assert len(recent_collections.remembered_places()) == 3  # `out` was kept once
    assert str(inside) not in recent_collections.remembered_places()


def test_a_collection_above_what_may_be_read_is_not_opened(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recent_collections.remember(str(collection / "red"))
    monkeypatch.setenv("CLIPDEX_FOLDERS", json.dumps([str(collection / "red")]))
    app = at("library", [], monkeypatch)
    monkeypatch.setenv("CLIPDEX_FOLDERS", json.dumps([str(collection / "red")]))
    app.run()
    assert "no collection in" in shown(app)
    assert str(COUNT) not in shown(app)
    app.text_input(key="open-place").set_value(str(collection / "red")).run()
    app.button(key="open").click().run()
    assert "no collection in" in app.error[0].value


def test_a_collection_whose_disk_is_not_there_is_listed_and_holds_up_no_page(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "unplugged"
    for place in (gone, collection):
        recent_collections.remember(str(place))
    app = at("library", [], monkeypatch)
    assert as_text(f"there is no folder {gone} now: connect its disk") in shown(app)
    assert f"{COUNT} images" in shown(app)
    assert state.folders() == [gone, collection]
    app.switch_page("app/web/pages/collection.py").run()
    assert not app.error
    assert {metric.label: metric.value for metric in app.metric}["Images"] == str(COUNT)
    app.selectbox(key="collection").select(gone).run()
    assert app.query_params["c"] == searchers.key(gone)
    assert f"there is no folder {as_text(str(gone))}" in app.error[0].value
    app.switch_page("app/web/pages/library.py").run()
    app.button(key=f"leave-{searchers.key(gone)}").click().run()
    assert recent_collections.remembered_places() == [str(collection)]


class Asleep(type(Path())):  # type: ignore[misc]
    """A folder on a disk that does not answer."""

    awake = threading.Event()

    def exists(self) -> bool:
        return self.awake.wait(60)


def test_a_disk_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_probe, "PATIENCE", 2.0)
    place, beside = Asleep("/a/drive/of/the/network"), Asleep("/a/drive/of/the/network/too")
    began = time.monotonic()
    path_probe.begin([place, beside])
    assert [path_probe.is_there(each) for each in (place, beside, place)] == [None] * 3
    assert path_probe.PATIENCE <= time.monotonic() - began < 2 * path_probe.PATIENCE
    Asleep.awake.set()
    end = time.monotonic() + 60
    while path_probe.is_there(place) is None:
        assert time.monotonic() < end
    assert path_probe.is_there(place) is True


def test_what_is_indexed_in_the_browser_is_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    waited(jobs.start(pictures(folder, 2), folder, "Indexing"))
    begin_anew()
    assert state.folders() == [folder]


def test_the_same_collection_is_opened_once_however_it_is_called(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(collection)
    app = at("library", [collection], monkeypatch)
    for typed in (f"{collection}/", collection / "red", collection / ".clipdex", tmp_path / "link"):
        app.text_input(key="open-place").set_value(str(typed)).run()
        app.button(key="open").click().run()
        assert not app.error
        assert app.info[0].value == f"{as_text(str(collection))} is open here already."
        assert state.folders() == [collection]
    assert recent_collections.remembered_places() == []


def test_a_folder_inside_a_collection_opens_that_collection(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = at("library", [], monkeypatch)
    app.text_input(key="open-place").set_value(str(collection / "red")).run()
    app.button(key="open").click().run()
    assert state.folders() == [collection]


def test_a_server_without_a_collection_of_its_own_says_what_it_shows(tmp_path: Path, listed: Path) -> None:
    assert "asks for a folder to index" in ui._begins_with(remember=True)
    recent_collections.remember(str(tmp_path))
    assert "opened in the browser before" in ui._begins_with(remember=True)
    assert "asks for a folder to index" in ui._begins_with(remember=False)
    listed.write_text("{")
    assert "is damaged" in ui._begins_with(remember=True)
