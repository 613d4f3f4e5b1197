"""Are copies found, each in its kind, and nothing else?"""

from __future__ import annotations

import io
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import clipdex
from core.errors import CollectionError
from indexer.dedup.duplicate_rule import SAME, Closeness, Kind
from indexer.dedup.duplicates import Group, best_of, duplicates
from indexer.dedup.image_similarity import lightness, perceptual_hash, sameness
from indexer.dedup.neighbor_pairs import neighbor_pairs
from tests.app.cli.test_cli import clipdex as command
from tests.indexer.pictures import index
from train.scenes import paint

SIDE = 160
OLD = datetime(2019, 5, 3, 12, tzinfo=UTC)


def picture(seed: int) -> Image.Image:
    return paint(seed, size=SIDE).image


def grey(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return lightness(out.getvalue())


def unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve scenes; of some there are copies."""
    made = tmp_path_factory.mktemp("copies")
    for seed in range(12):
        picture(seed).save(made / f"{seed:02}.png")
    shutil.copyfile(made / "04.png", made / "04-again.png")
    os.utime(made / "04.png", (OLD.timestamp(), OLD.timestamp()))
    picture(4).resize((SIDE // 2, SIDE // 2)).save(made / "04-small.jpg", quality=40)
    ImageOps.grayscale(picture(5)).save(made / "05-grey.png")
    picture(7).crop((10, 10, SIDE - 20, SIDE - 12)).save(made / "07-part.png")
    (made / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    index(made)
    return made


def found(folder: Path, *kinds: Kind) -> dict[str, list[list[str]]]:
    groups = duplicates(clipdex.open(folder).snapshot(), kinds)
    return {kind: [group.ids for group in groups if group.kind == kind] for kind in kinds}


def test_each_kind_has_its_own_groups_the_one_to_keep_first(folder: Path) -> None:
    groups = found(folder, "bytes", "picture")
    assert groups["bytes"] == [["04.png", "04-again.png"]], "the older one is the one to keep"
    assert ["04.png", "04-small.jpg"] in groups["picture"], "one of the equal files stands for both"
    assert ["05.png", "05-grey.png"] in groups["picture"], "grey takes fewer bytes"
    assert ["07.png", "07-part.png"] in groups["picture"]
    assert len(groups["picture"]) == 3
    assert found(folder, "picture") == {"picture": groups["picture"]}


def test_the_one_to_keep_is_larger_or_still_knows_its_camera_or_loses_nothing(tmp_path: Path) -> None:
    one = picture(3)
    camera = Image.Exif()
    camera[0x010F], camera[0x0110] = "Maker", "Model 1"
    one.save(tmp_path / "a-bare.jpg", quality=95)
    one.save(tmp_path / "b-camera.jpg", quality=80, exif=camera)
    one.save(tmp_path / "c-whole.png")
    one.resize((SIDE // 2, SIDE // 2)).save(tmp_path / "d-small.png", exif=camera)
    index(tmp_path)
    snapshot = clipdex.open(tmp_path).snapshot()
    every = Group("picture", sorted(snapshot.ids))
    rest = Group("picture", ["a-bare.jpg", "c-whole.png"])
    first, second = best_of(snapshot, [every, rest])
    assert (first.id, first.why) == (
        "b-camera.jpg",
        [f"largest: {SIDE} × {SIDE}", "still says when or with what it was taken"],
    )
    assert first.others == sum(
        (tmp_path / name).stat().st_size for name in ("a-bare.jpg", "c-whole.png", "d-small.png")
    )
    assert (second.id, second.why) == ("c-whole.png", ["PNG loses nothing"])


def test_scenes_hold_no_copies(folder: Path) -> None:
    groups = duplicates(clipdex.open(folder).snapshot())
    scenes = [item for group in groups if group.kind == "scene" for item in group.ids]
    assert len(scenes) == len(set(scenes))
    assert not set(scenes) & {"04-again.png", "04-small.jpg", "05-grey.png", "07-part.png"}
    assert [group.kind for group in groups][:4] == ["bytes", "picture", "picture", "picture"]


def test_a_collection_of_one_picture_or_none_has_no_groups(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "1.png")
    index(tmp_path)
    assert duplicates(clipdex.open(tmp_path).snapshot()) == []


def test_the_command_lists_groups_for_people_and_programs(folder: Path) -> None:
    code, out, err = command("duplicates", folder, "--kind", "bytes", "--json")
    assert (code, err) == (0, "")
    (group,) = json.loads(out)["groups"]
    assert group == {
        "kind": "bytes",
        "keep": "04.png",
        "why": [f"oldest file: {OLD.day} {OLD:%B %Y}"],
        "others_bytes": (folder / "04-again.png").stat().st_size,
        "ids": ["04.png", "04-again.png"],
        "paths": [str(folder / "04.png"), str(folder / "04-again.png")],
    }
    lines = command("duplicates", folder, "--kind", "picture")[1].splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["picture", str(n)] for n in (1, 1, 2, 2, 3, 3)]
    assert command("duplicates", folder, "--kind", "pictures")[0] == 2


def test_what_is_nothing_twice_is_said(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "1.png")
    index(tmp_path)
    assert command("duplicates", tmp_path)[2] == "note: no image is here more than once (bytes, picture, scene)\n"
    with pytest.raises(CollectionError):
        clipdex.open(tmp_path / "absent")


@pytest.mark.parametrize("n", [300, 5_000])
def test_near_pairs_are_those_of_comparing_all(n: int) -> None:
    draw = np.random.default_rng(0)
    vectors = unit(draw.normal(size=(n, 32)))
    vectors[n // 2 : n // 2 + 40] = unit(vectors[:40] + 0.05 * draw.normal(size=(40, 32)))
    pairs, cosines = neighbor_pairs(vectors, 0.9, 5)
    whole = vectors @ vectors.T
    expected = np.argwhere(np.triu(whole >= 0.9, 1))
    assert np.array_equal(pairs, expected)
    assert cosines == pytest.approx(whole[expected[:, 0], expected[:, 1]], abs=1e-5)


def test_many_equal_vectors_do_not_make_many_pairs() -> None:
    vectors = np.repeat(unit(np.random.default_rng(0).normal(size=(1, 16))), 6_000, axis=0)
    pairs, _ = neighbor_pairs(vectors, 0.9, 4)
    assert len(pairs) <= 4 * 6_000


def test_closeness_is_0_for_any_two_and_1_for_the_same() -> None:
    draw = np.random.default_rng(1)
    vectors = unit(draw.normal(size=(500, 64)) + 2)
    close = Closeness.of(vectors)
    whole = vectors @ vectors.T
    assert close(whole[~np.eye(500, dtype=bool)]).mean() == pytest.approx(0, abs=0.01)
    assert close(np.array([1.0]))[0] == pytest.approx(1)
    assert close(np.array([close.cosine(0.8)]))[0] == pytest.approx(0.8)


def test_a_picture_lies_on_its_copies_and_on_no_other() -> None:
    one = picture(20)
    copies = [
        one.resize((60, 60)),
        ImageOps.grayscale(one).convert("RGB"),
        one.crop((20, 10, 140, 130)),
        ImageOps.expand(one, 10, "white"),
    ]
    for copy in copies:
        assert sameness(grey(one), grey(copy)) > SAME
        assert sameness(grey(copy), grey(one)) > SAME
    assert max(sameness(grey(one), grey(picture(seed))) for seed in range(21, 31)) < 0.8
    flat = [Image.new("RGB", (50, 40), colour) for colour in ("red", "green", "red")]
    assert [sameness(grey(flat[0]), grey(other)) for other in flat] == [0, 0, 0], (
        "one colour cannot be laid on anything"
    )


def test_the_perceptual_hash_stays_where_a_picture_does() -> None:
    def bits(one: Image.Image, other: Image.Image) -> int:
        return (perceptual_hash(grey(one)) ^ perceptual_hash(grey(other))).bit_count()

    one = picture(20)
    assert bits(one, one.resize((70, 70))) <= 6
    assert bits(one, ImageOps.grayscale(one).convert("RGB")) <= 6
    assert min(bits(one, picture(seed)) for seed in range(21, 31)) > 10
