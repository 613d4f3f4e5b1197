"""Tests that older collections are migrated, and newer ones refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import clipdex
from core.errors import CollectionError
from indexer.collection.collection import Collection
from indexer.collection.storage import migrations
from tests.indexer.pictures import index, paint_three, state

PLACE = Path("photos/.clipdex")


def first(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    return {"label": info["name"], "seen": [1]}


def second(path: Path, info: dict[str, Any]) -> dict[str, Any]:
    return info | {"seen": [*info["seen"], 2], "place": path.name}


def test_there_is_a_step_from_every_older_version() -> None:
    assert sorted(migrations.STEPS) == list(range(1, migrations.FORMAT_VERSION))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, {"format_version": 3, "label": "old", "seen": [1, 2], "place": ".clipdex"}),
        (2, {"format_version": 3, "name": "old", "seen": [0, 2], "place": ".clipdex"}),
        (3, {"format_version": 3, "name": "old", "seen": [0]}),
    ],
)
def test_each_step_is_taken_once_and_in_order(version: int, expected: dict[str, Any]) -> None:
    info = {"format_version": version, "name": "old", "seen": [0]}
    assert migrations.migrate(PLACE, info, to=3, steps={1: first, 2: second}) == expected
    assert info == {"format_version": version, "name": "old", "seen": [0]}


@pytest.mark.parametrize("version", [None, 0, -1, True, "1", 1.5])
def test_a_version_that_is_none_is_damage(version: object) -> None:
    with pytest.raises(CollectionError, match="no format version"):
        migrations.migrate(PLACE, {"format_version": version})


def test_a_version_from_the_future_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    file = tmp_path / ".clipdex" / "collection.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": migrations.FORMAT_VERSION + 1}))
    before = file.read_bytes()
    for act in (clipdex.open, index):
        with pytest.raises(CollectionError, match="update clipdex to open it"):
            act(tmp_path)
    assert file.read_bytes() == before


def test_an_upgrade_adds_the_columns_that_are_missing_and_embeds_nothing(tmp_path: Path) -> None:
    paint_three(tmp_path)
    index(tmp_path)
    vectors = {item_id: row["vector"] for item_id, row in state(tmp_path)["images"].items()}
    table = Collection.find(tmp_path).table("images")
    names = table.schema.names
    table.drop_columns(["camera", "lens"])
    report = index(tmp_path)
    assert (report.unchanged, report.added, report.updated) == (3, 0, 0)
    assert not {"read", "decode", "embed"} & set(report.stages)
    assert sorted(Collection.find(tmp_path).table("images").schema.names) == sorted(names)
    rows = state(tmp_path)["images"]
    assert {item_id: row["vector"] for item_id, row in rows.items()} == vectors
    assert {row["camera"] for row in rows.values()} == {None}
