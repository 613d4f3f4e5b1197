"""Does docs/indexing.md say the truth about sources?  Each of its commands is run, in its order, in one folder."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tarfile
import zipfile
from pathlib import Path

import pytest

import clipdex
from indexer.collection.collection import Collection
from indexer.sources import SOURCES
from tests.app.cli.test_cli import clipdex as command
from tests.indexer.object_store import bucket  # noqa: F401 - a fixture
from tests.indexer.pictures import ids, paint
from tests.readme_session import blocks
from tests.shared import ROOT

PAGE = (ROOT / "docs" / "indexing.md").read_text("utf-8")
SECTION = PAGE[PAGE.index("\n## Sources") : PAGE.index("\n## What it refuses")]
LINES = [line for _, text in blocks(SECTION, "sh") for line in text.splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What the page speaks of."""
    for number, name in enumerate(("red.jpg", "thumbs/red.jpg", "trips/a.png", "moving.gif")):
        paint(tmp_path / "photos" / name, "red", seed=number)
    paint(tmp_path / "scans" / "1987" / "beach.jpg", "blue")
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        archive.write(paint(tmp_path / "painted.jpg", "white"), "white.jpg")
    for number in range(12):
        path = tmp_path / "shards" / f"data-{number:03}.tar"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(shard(tmp_path, number))
    (tmp_path / "list.csv").write_text("image,title,year,stars,place\nphotos/red.jpg,a red thing,2024,4.5,Rome\n")
    return tmp_path


def shard(place: Path, number: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(paint(place / "painted.jpg", "green", seed=number), f"{number:04}.jpg")
    return out.getvalue()


def run(line: str) -> str:
    words = shlex.split(line, comments=True)[1:]
    fresh = "--to" not in words and not Path(words[1], ".clipdex").exists()
    fresh |= "--to" in words and not Path(words[words.index("--to") + 1]).exists()
    code, out, err = command(*words, *(["--model", "toy"] if fresh else []))
    assert (code, err) == (0, ""), line
    return out


def test_every_command_about_sources_does_what_it_says(place: Path) -> None:
    with contextlib.chdir(place):
        said = {line.split("#")[0].strip(): run(line) for line in LINES if "s3://" not in line}
    assert "4 added" in said["clipdex index photos"] or "unchanged" in said["clipdex index photos"]
    assert "12 added" in said["clipdex index shards"]
    assert len(ids(place / "kept-tars")) == 11
    assert ids(place / "kept-zip") == ["white.jpg"]
    assert ids(place / "photos") == ["old//white.jpg", "red.jpg", "trips/a.png"]
    assert clipdex.open(place / "kept-list").item("photos/red.jpg").captions == ["a red thing"]
    names = Collection.find(place / "kept-list").table("images").schema.names
    assert {"year", "stars"} <= set(names)
    assert not {"place", "title"} & set(names), "--columns keeps two of those of the run before"


def test_every_command_about_object_stores_does_what_it_says(place: Path, bucket: str) -> None:  # noqa: F811
    import s3fs

    system = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    system.pipe_file(f"{bucket.removeprefix('s3://')}/photos/red.jpg", (place / "photos" / "red.jpg").read_bytes())
    for number in range(11):
        system.pipe_file(f"{bucket.removeprefix('s3://')}/shards/{number:03}.tar", shard(place, number))
    with contextlib.chdir(place):
        for line in LINES:
            if "s3://" in line:
                run(line.replace("s3://bucket", bucket))
    assert ids(place / "kept-photos") == ["red.jpg"]
    assert len(ids(place / "kept-shards")) == 11


def test_the_page_names_every_kind_of_source_and_its_columns() -> None:
    assert set(SOURCES) <= set(re.findall(r"`(\w+)`", SECTION))
    assert {"taken", "camera", "lens", "latitude", "longitude", "format", "folder"} <= set(
        re.findall(r"`(\w+)`", SECTION)
    )
