"""Does everything that docs/search.md shows being typed work?"""

from __future__ import annotations

import doctest
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.inference.load import load_encoder
from tests.app.cli.test_cli import clipdex as command
from tests.app.conftest import paint
from tests.readme_session import ROOT, blocks
from tests.tolerance import RULES, Checker

PAGE = (ROOT / "docs" / "search.md").read_text("utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images that the page speaks of."""
    folder = tmp_path_factory.mktemp("search-docs")
    names = {"trips/123.jpg": "red", "trips/parking_lot.jpg": "red", "lighthouse.jpg": "blue", "a/snow.jpg": "yellow"}
    for number, (name, colour) in enumerate(names.items()):
        paint(folder / "Pictures" / name, colour, number)
    large = Image.fromarray(np.full((900, 1200, 3), 200, np.uint8))
    (folder / "Pictures" / "trips" / "2024").mkdir()
    exif = Image.Exif()
    exif[0x0110] = "Canon EOS"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:31 12:30:00"
    large.save(folder / "Pictures" / "trips" / "2024" / "large.jpg", exif=exif)
    (folder / "Pictures" / "trips" / "2024" / "large.txt").write_text("a white parking lot\nsnow")
    large.save(folder / "photo.jpg")
    np.save(folder / "red.npy", load_encoder("toy").encode_texts(["red"])[0])
    clipdex.index(folder / "Pictures", model="toy")
    return folder


def test_every_command_on_the_page_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    typed = [line for _, text in blocks(PAGE, "sh") for line in text.splitlines() if line]
    assert len(typed) > 12
    for line in typed:
        words = shlex.split(line, comments=True)
        words = words[: next((place for place, word in enumerate(words) if word in (">", "|")), len(words))]
        assert words[0] == "clipdex"
        code, out, err = command(*words[1:])
        assert code == 0, (line, err)
        assert out or err, line
        if words[1] == "search":
            assert all(note.startswith("note: nothing here clearly matches") for note in err.splitlines()), (line, err)


def test_the_line_and_the_conditions_find_what_the_page_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    line = 'red car -snow "parking lot" folder:trips after:2024-01-01'
    assert f"clipdex search '{line}' Pictures" in PAGE
    assert command("search", line, "Pictures")[1].split() == ["0.0000", "Pictures/trips/2024/large.jpg"]
    named = set(clipdex.open("Pictures").snapshot().columns)
    told = PAGE[PAGE.index("Columns are") : PAGE.index("whatever the source")]
    assert {name for name in named if f"`{name}`" not in told} == set()


def test_the_python_session_answers_what_it_shows(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    test = doctest.DocTestParser().get_doctest(
        "\n".join(text for _, text in blocks(PAGE, "pycon")), {}, "docs/search.md", None, None
    )
    said: list[str] = []
    result = doctest.DocTestRunner(Checker(), optionflags=RULES).run(test, out=said.append)
    assert result.failed == 0, "".join(said)
