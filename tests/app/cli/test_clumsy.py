"""Does each mistake in the Library and on the Collection page get one line that says what to do, and lose nothing?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.jobs.supervisor import jobs
from app.library import open_collections
from app.web import model_choices, state
from app.web.components.job_progress import in_page
from app.web.components.markdown import as_text
from core.errors import ModelError, SourceError
from indexer.collection.collection import Collection
from tests.app.conftest import paint
from tests.app.jobs.test_jobs import waited
from tests.app.web.test_library import _clean, at
from tests.app.web.test_pages import shown
from tests.shared import ROOT

__all__ = ["_clean"]  # the fixture


@pytest.fixture
def anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any folder may be read."""
    monkeypatch.setenv("CLIPDEX_FOLDERS", '["/"]')


def typed(app: AppTest, folder: object, **more: object) -> AppTest:
    """The form for a folder, filled in for the toy model."""
    app.selectbox(key="index-model").select("Another model …").run()
    app.text_input(key="index-other").set_value("toy")
    app.text_input(key="index-folder").set_value(str(folder))
    for name, value in more.items():
        app.text_input(key=f"index-{name}").set_value(str(value))
    return app.run()


def started(app: AppTest) -> AppTest:
    app.button(key="index-start").click().run()
    assert not app.exception
    for job in jobs.all():
        waited(job)
        app.run()
    return app


@pytest.mark.usefixtures("anything")
def test_a_path_is_understood_as_people_paste_it(tmp_path: Path) -> None:
    odd = tmp_path / "my 'best' “ü” 100% [1] {a,b} $HOME"
    odd.mkdir()
    for paste in (str(odd), f"  {odd}/ ", f'"{odd}"', f"'{odd}'", odd.as_uri(), f"{odd}/../{odd.name}"):
        assert open_collections.allowed(paste) == odd
    assert open_collections.allowed("~") == Path.home()
    for wrong, said in {
        "''": "type the path",
        "'": "is not a full path",
        "/" + "x" * 5000: "it has 5,001 characters",
        "/" + "x" * 300: "name too long",
        "file://host/x": "is not a path of a folder",
        "~nobody-of-this-name/x": "is not a full path",
        "file:///%00": "is not a path of a folder",
    }.items():
        with pytest.raises(SourceError, match=said) as raised:
            open_collections.allowed(wrong)
        assert len(str(raised.value)) < 500


def test_a_pasted_address_leads_nowhere_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPDEX_FOLDERS", json.dumps([str(tmp_path)]))
    for paste in ("file:///etc", "'/etc'", f"file://{tmp_path}/%2e%2e/%2e%2e", f'"{tmp_path}/../.."'):
        with pytest.raises(SourceError, match="may not be read from here"):
            open_collections.allowed(paste)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_folder_without_permission_is_one_sentence() -> None:
    code = "import os, sys; from app.library import open_collections as o; os.setuid(65534); o.allowed(sys.argv[1])"
    told = {**os.environ, "CLIPDEX_FOLDERS": '["/"]', "CLIPDEX_COLLECTION": "[]"}
    with tempfile.TemporaryDirectory() as folder:  # not of pytest, which closes its own to everybody else
        Path(folder).chmod(0o755)
        closed = Path(folder, "closed")
        closed.mkdir(mode=0o700)
        for place, said in {closed: "may not be read by the user", closed / "in": "cannot be looked at"}.items():
            command = [sys.executable, "-c", code, str(place)]
            done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
            assert f"SourceError: {place} {said}" in done.stderr


def test_a_folder_inside_an_indexed_one_is_said_before_it_is_indexed_again(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = typed(at("library", [], monkeypatch), collection / "red")
    assert f"{as_text(str(collection))} is indexed, with what lies in it" in app.info[0].value
    monkeypatch.setenv("CLIPDEX_FOLDERS", json.dumps([str(collection / "red")]))
    assert not app.run().info  # what lies elsewhere is nobody's business


def test_a_collection_is_not_taken_for_a_folder_of_pictures(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = started(typed(at("library", [], monkeypatch), collection / ".clipdex"))
    assert "is a collection and no folder of images" in app.error[0].value
    assert not (collection / ".clipdex" / ".clipdex").exists()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("note.txt", "is a file: a collection is opened by the folder that was indexed"),
        ("http://example.org/x", "a collection cannot be kept at"),
        ("s3://", "names no place"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, said: str) -> None:
    (tmp_path / "note.txt").touch()
    app = at("library", [], monkeypatch)
    app.text_input(key="open-place").set_value(place if "://" in place else str(tmp_path / place)).run()
    app.button(key="open").click().run()
    assert said in app.error[0].value.replace("\\", "")
    assert state.folders() == []


def test_a_misspelt_model_lists_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"unknown model 'tinny'; choose one of: tiny, .*; or type the full path of one"
    ):
        model_choices.offer_of("tinny")


def test_a_place_that_is_in_use_is_said_in_the_words_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, full = tmp_path / "pictures", tmp_path / "full"
    folder.mkdir()
    paint(folder / "a.png", "red", 1)
    full.mkdir()
    (full / "letter.txt").touch()
    app = started(typed(at("library", [], monkeypatch), folder, to=full))
    assert "choose an empty or a new folder under “More options”" in app.error[0].value
    assert [file.name for file in full.iterdir()] == ["letter.txt"]
    assert not (folder / ".clipdex").exists()


def test_what_only_the_command_line_can_do_is_said_to_be_there() -> None:
    assert in_page("say --kind folder").endswith("(What begins with -- is said at the command line: clipdex index.)")
    assert in_page("a-- b --") == "a-- b --"


def test_a_newer_collection_is_neither_opened_nor_written_over(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(collection, tmp_path / "copy")
    file = Collection.find(copy).path / "collection.json"
    newer = json.dumps({**json.loads(file.read_text()), "format_version": 99})
    file.write_text(newer)
    app = started(typed(at("library", [copy], monkeypatch), copy))
    assert "update clipdex to open it" in app.error[0].value
    assert "update clipdex to open it" in shown(app)
    assert file.read_text() == newer
