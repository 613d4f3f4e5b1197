"""Does a folder tell everything that is in it?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import ImageError, SourceError
from indexer.sources.folder import FolderSource
from tests.indexer.pictures import index, paint


def listed(folder: Path) -> list[str]:
    return [item.id for item in FolderSource(folder).scan().items]


def test_pictures_below_the_folder_are_found_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ["b.jpg", "a.PNG", "sub/z.webp", "sub/deep/y.gif", "a/x.tiff"]:
        paint(tmp_path / name)
    assert listed(tmp_path) == ["a.PNG", "a/x.tiff", "b.jpg", "sub/deep/y.gif", "sub/z.webp"]


def test_what_is_no_picture_is_counted(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    for name in ["notes.md", "film.mp4", ".hidden.jpg", "no-extension", "alone.txt"]:
        (tmp_path / name).write_text("x")
    listing = FolderSource(tmp_path).scan()
    assert ([item.id for item in listing.items], listing.ignored, listing.problems) == (["a.jpg"], 5, [])


def test_hidden_folders_and_collections_are_left_out(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    paint(tmp_path / ".trash" / "b.jpg")
    index(tmp_path)
    index(tmp_path, to=tmp_path / "kept here")
    paint(tmp_path / "kept here" / "c.jpg")
    listing = FolderSource(tmp_path).scan()
    assert ([item.id for item in listing.items], listing.ignored) == (["a.jpg"], 1)


def test_links_to_files_are_pictures_of_their_own(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert listed(tmp_path) == ["a.jpg", "b.jpg"]


def test_a_link_to_nothing_and_a_link_to_itself_are_reported(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    problems = {problem.location: problem.reason for problem in FolderSource(tmp_path).scan().problems}
    assert problems == {"gone.jpg": "vanished", "self.jpg": "read error"}


def test_loops_of_links_end(tmp_path: Path) -> None:
    root = tmp_path / "root"
    paint(root / "sub" / "a.jpg")
    (root / "sub" / "up").symlink_to(root)
    (root / "sub" / "above").symlink_to(tmp_path)
    (root / "here").symlink_to(".")
    assert listed(root) == ["sub/a.jpg"]


def test_a_linked_folder_is_followed_once_and_the_real_place_wins(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere" / "b.jpg")
    root = tmp_path / "root"
    paint(root / "z-real" / "a.jpg")
    (root / "a-link").symlink_to(root / "z-real")
    (root / "first").symlink_to(tmp_path / "elsewhere")
    (root / "second").symlink_to(tmp_path / "elsewhere")
    assert listed(root) == ["first/b.jpg", "z-real/a.jpg"]


def test_a_pipe_called_jpg_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    source = FolderSource(tmp_path)
    assert [(problem.location, problem.reason) for problem in source.scan().problems] == [("pipe.jpg", "not an image")]
    with pytest.raises(ImageError, match="regular file") as caught:  # as if it had come after the listing
        source.read("pipe.jpg")
    assert caught.value.reason == "not an image"


def test_a_file_that_went_away_after_the_listing_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        FolderSource(tmp_path).read("gone.jpg")
    assert caught.value.reason == "vanished"


@pytest.mark.parametrize("item_id", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg", r"\x2e./secret.jpg"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, item_id: str) -> None:
    paint(tmp_path / "secret.jpg")
    (tmp_path / "root" / "a").mkdir(parents=True)
    source = FolderSource(tmp_path / "root")
    assert source.path(item_id) is None
    with pytest.raises(ImageError):
        source.read(item_id)


@pytest.mark.parametrize("kind", ["missing", "a file", "a link to itself"])
def test_a_folder_that_is_none_is_an_error(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("x")
    elif kind == "a link to itself":
        place.symlink_to(place)
    with pytest.raises(SourceError, match="place"):
        FolderSource(place).scan()
    with pytest.raises(SourceError):
        index(place)
    assert not place.is_dir()
