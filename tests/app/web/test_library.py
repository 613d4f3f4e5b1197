"""Do the pages about collections show and do what they say?  Driven through Streamlit's AppTest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.jobs.supervisor import jobs
from app.library import open_collections, searchers
from app.web import state
from app.web.components.markdown import as_text
from clipdex import index
from tests.app.conftest import EACH, paint
from tests.app.jobs.test_jobs import many, waited
from tests.app.web.test_pages import opened, shown, tiles
from tests.indexer.object_store import bucket as bucket

COUNT = 4 * EACH + 1


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """What a server keeps, these tests do not hand on to each other."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for job in jobs.all():
        waited(job)
        jobs.dismiss(job)
    for place in list(open_collections._added):
        open_collections.remove(place)
    open_collections._removed.clear()


def at(page: str, places: Sequence[Path | str], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """A page over collections."""
    app = opened(Path(), monkeypatch)
    monkeypatch.setenv("CLIPDEX_COLLECTION", json.dumps([str(place) for place in places]))
    monkeypatch.setenv("CLIPDEX_FOLDERS", '["/"]')  # AppTest knows no address, so that others might come in
    app.run()
    app.switch_page(f"app/web/pages/{page}.py").run()
    assert not app.exception
    return app


def test_without_any_collection_every_page_leads_to_choosing_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(Path(), monkeypatch)
    monkeypatch.setenv("CLIPDEX_COLLECTION", "[]")
    app.run()
    assert not app.exception
    assert not app.error
    assert [title.value for title in app.title] == ["Choose a folder of images"]
    assert app.text_input(key="index-folder").value == ""


def test_the_library_shows_each_collection_with_counts_and_says_what_is_wrong_with_one(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    (broken / ".clipdex").mkdir(parents=True)
    (broken / ".clipdex" / "collection.json").write_text("{")
    app = at("library", [collection, broken, tmp_path / "gone"], monkeypatch)
    said = shown(app).replace("\\", "")
    assert f"{COUNT} images · toy · indexed" in said
    assert "2 not readable" in said
    assert "collection.json is damaged" in said
    assert f"there is no folder {tmp_path / 'gone'}" in said
    app.button(key=f"leave-{searchers.key(broken)}").click().run()
    assert "is damaged" not in shown(app)
    assert state.folders() == [collection, tmp_path / "gone"]


def test_a_collection_that_is_there_already_is_opened(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = at("library", [], monkeypatch)
    app.text_input(key="open-place").set_value(str(tmp_path)).run()
    app.button(key="open").click().run()
    assert f"no collection in {as_text(str(tmp_path))}" in app.error[0].value
    app.text_input(key="open-place").set_value(str(collection)).run()
    app.button(key="open").click().run()
    assert not app.exception
    assert state.folders() == [collection]
    assert f"{COUNT} images" in shown(app)


def test_a_folder_is_indexed_and_stands_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        paint(tmp_path / f"{number}.png", "red", number)
    app = at("library", [], monkeypatch)
    app.text_input(key="index-folder").set_value(str(tmp_path)).run()
    app.selectbox(key="index-model").select("Another model …").run()
    app.text_input(key="index-other").set_value("toy").run()
    app.button(key="index-start").click().run()
    assert not app.exception
    assert not app.error
    (job,) = jobs.all()
    waited(job)
    app.run()
    assert "3 images in" in shown(app)
    assert state.folders() == [tmp_path]
    assert f"Indexing {as_text(str(tmp_path))}" in shown(app)
    app.button(key=f"close-{job.number}").click().run()
    assert "Indexing" not in shown(app)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "type the path of a folder"),
        ("pictures", "is not a full path"),
        ("/no/such/folder", "there is no folder /no/such/folder"),
        ("s3://bucket/pictures", "is not a path of a folder on this machine"),
    ],
)
def test_a_folder_that_cannot_be_indexed_is_said_in_place(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = at("library", [], monkeypatch)
    app.selectbox(key="index-model").select("tiny").run()
    app.text_input(key="index-folder").set_value(typed).run()
    app.button(key="index-start").click().run()
    assert not app.exception
    assert said in app.error[0].value.replace("\\", "")
    assert jobs.all() == []


def test_a_model_that_is_not_here_is_downloaded_only_when_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = at("library", [], monkeypatch)
    app.selectbox(key="index-model").select("ViT-L-14/dfn2b").run()
    assert app.button(key="index-start").disabled
    assert "Download about 1.7 GB" in app.checkbox(key="index-download").label
    assert "Apple AMLR" in shown(app)
    app.checkbox(key="index-download").check().run()
    assert not app.button(key="index-start").disabled


def test_the_collection_page_says_what_the_last_run_did_and_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "a.png", "red", 1)
    index(tmp_path, model="toy")
    app = at("collection", [tmp_path], monkeypatch)
    assert "1 added" in facts(app)
    assert "1, without an index: each is compared, so nothing is missed" in facts(app)
    paint(tmp_path / "b.png", "blue", 1)
    app.button(key="update-look").click().run()
    waited(jobs.all()[0])
    app.run()
    assert "1 new, 1 unchanged" in shown(app)
    app.button(key=f"do-{jobs.all()[0].number}").click().run()
    waited(jobs.all()[0])
    app.run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["Images"] == "2"
    assert "1 added, 1 unchanged" in facts(app)


def test_what_would_be_removed_is_asked_with_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        paint(tmp_path / f"{number}.png", "red", number)
    index(tmp_path, model="toy")
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    app = at("collection", [tmp_path], monkeypatch)
    app.button(key="update").click().run()
    (job,) = jobs.all()
    assert waited(job).state == "asks"
    app.run()
    assert "3 images of this collection are no longer in its folder, 1 are" in app.warning[0].value
    app.button(key=f"remove-{job.number}").click().run()
    assert waited(jobs.all()[0]).state == "done"
    app.run()
    assert {metric.label: metric.value for metric in app.metric}["Images"] == "1"


def test_the_failures_are_listed_by_reason_with_what_can_be_shown(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = at("failures", [collection], monkeypatch)
    rows = listed(app)
    assert "broken.jpg" in rows
    assert "empty.png" in rows
    assert rows.count("cannot be shown") == 2
    app.pills(key="failures-reason").set_value("empty file").run()
    assert "broken.jpg" not in listed(app)


def test_a_collection_that_goes_while_the_page_is_open_is_said_in_place(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(collection, tmp_path / "copy")
    app = at("collection", [copy], monkeypatch)
    shutil.rmtree(copy / ".clipdex")
    app.run()
    assert not app.exception
    assert f"no collection in {as_text(str(copy))}" in app.error[0].value


def facts(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html") if "facts" in element.proto.body)


def listed(app: AppTest) -> str:
    (found,) = (element.proto.body for element in app.get("html") if '<ul class="failed">' in element.proto.body)
    return str(found)


def test_work_that_was_stopped_before_anything_was_indexed_says_so_and_goes_on(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.start(many(tmp_path / "new"), tmp_path / "new", "Indexing")
    jobs.stop(job)
    waited(job)
    app = at("library", [collection], monkeypatch)
    assert "nothing was indexed yet" in shown(app)
    assert "is kept" not in shown(app)
    assert "Search it" not in [link.proto.label for link in app.get("page_link")]
    assert state.folders() == [collection]
    for file in sorted((tmp_path / "new").glob("*/*.png"))[3:]:
        file.unlink()
    app.button(key=f"on-{job.number}").click().run()
    assert waited(jobs.all()[0]).state == "done"
    app.run()
    assert "3 images in" in shown(app)
    (link,) = (link.proto for link in app.get("page_link") if link.proto.label == "Search it")
    assert link.query_string == f"c={searchers.key(tmp_path / 'new')}"


@pytest.mark.parametrize("page", ["search", "describe", "map", "duplicates", "collection", "failures", "library"])
def test_an_address_of_a_collection_that_is_not_open_shows_no_other_one(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    app = at("library", [collection, tmp_path], monkeypatch)
    app.query_params["c"] = "abcdefabcdef"
    app.query_params["q"] = "red"
    app.switch_page(f"app/web/pages/{page}.py").run()
    assert not app.exception
    said = "\n".join([shown(app), *(title.value for title in app.title)])
    assert "not open here" in said
    assert app.selectbox(key="collection").value is None
    if page != "library":
        assert str(COUNT) not in shown(app)
        (link,) = (link.proto for link in app.get("page_link") if "choose another" in link.proto.label)
        assert (link.page, link.query_string) == ("library", "")
    app.selectbox(key="collection").select(collection).run()
    assert not app.exception
    assert "not open here" not in shown(app)


def test_a_collection_that_is_closed_is_named_no_longer(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = at("library", [collection], monkeypatch)
    app.query_params["c"] = searchers.key(collection)
    app.run()
    app.button(key=f"leave-{searchers.key(collection)}").click().run()
    assert not app.exception
    assert "c" not in app.query_params
    assert "not open here" not in shown(app)


@pytest.mark.parametrize("page", ["search", "collection", "failures"])
def test_a_table_that_cannot_be_opened_is_said_each_time(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    copy = shutil.copytree(collection, tmp_path / "copy")
    for file in (copy / ".clipdex" / "images.lance").rglob("*.*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    app = at(page, [copy], monkeypatch)
    app.run()
    assert not app.exception
    assert "bring it back from a copy, or delete" in app.error[0].value


def test_a_collection_in_an_object_store_is_opened_searched_and_brought_up_to_date(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "a.png", "red", 1)
    place = f"{bucket}/collection"
    index(tmp_path, model="toy", to=place)
    app = at("collection", [place], monkeypatch)
    assert {metric.label: metric.value for metric in app.metric}["Images"] == "1"
    assert place in facts(app)
    paint(tmp_path / "b.png", "red", 2)
    app.button(key="update").click().run()
    assert waited(jobs.all()[0]).state == "done"
    monkeypatch.setattr(state.searcher(), "look_again", 0.0)  # by itself after some seconds
    app = opened(Path(), monkeypatch)
    monkeypatch.setenv("CLIPDEX_COLLECTION", json.dumps([place]))
    app.query_params["q"] = "red"
    app.run()
    assert not app.exception
    assert len(tiles(app)) == 2
