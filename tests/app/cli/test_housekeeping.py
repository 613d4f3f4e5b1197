"""What do status, failures, verify and compact say, to people and to programs?"""

from __future__ import annotations

import contextlib
import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.cli.commands.status import index_line
from app.formatting import compaction_summary, format_age, format_size
from indexer.collection.collection import Collection, Space
from indexer.collection.storage import tables
from indexer.maintenance.compact import Compaction
from indexer.maintenance.status import IndexStatus
from tests.app.cli.test_cli import clipdex, fails
from tests.app.conftest import paint
from tests.app.web.test_pages import opened, shown, tiles
from tests.readme_session import ROOT, blocks

MANY = 3_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images and three files that are none."""
    for number in range(4):
        paint(tmp_path / f"{number}.png", "red", number)
    (tmp_path / "no\npicture.jpg").write_text("text")
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty.jpg").touch()
    assert clipdex("index", tmp_path, "--model", "toy", "-q")[0] == 0
    return tmp_path


def test_failures_are_lines_for_other_programs(folder: Path) -> None:
    code, out, err = clipdex("failures", folder)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "empty file\tempty.jpg\tthe file is empty (0 bytes)",
        "not an image\tno\\x0apicture.jpg\tis not an image",
        "not an image\ttext.jpg\tis not an image",
    ]
    assert clipdex("failures", folder, "--reason", "empty file")[1].startswith("empty file\tempty.jpg\t")
    told = json.loads(clipdex("failures", folder, "-r", "not an image", "--json")[1])
    assert (told["count"], [each["location"] for each in told["failures"]]) == (2, ["no\\x0apicture.jpg", "text.jpg"])
    assert set(told["failures"][0]) == {"location", "reason", "message", "when"}
    said = fails("failures", folder, "--reason", "empty")
    assert said == "unknown reason 'empty'; choose one of: empty file, not an image"


def test_thousands_of_failures_are_listed(folder: Path) -> None:
    failures = Collection.find(folder).table("failures")
    row = {"reason": "truncated", "message": "is cut short", "size": 1, "mtime_ns": 1, "when": datetime.now(UTC)}
    tables.append(failures, [row | {"location": f"{number:05}.jpg"} for number in range(MANY)])
    assert clipdex("failures", folder)[1].count("\n") == MANY + 3
    assert len(json.loads(clipdex("failures", folder, "--json", "-r", "truncated")[1])["failures"]) == MANY
    out = clipdex("status", folder)[1]
    assert "3,000 × truncated" in out
    assert "… 2,997 more: clipdex failures --reason 'truncated'" in out


def test_a_collection_without_failures_lists_none(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 1)
    assert clipdex("index", tmp_path, "--model", "toy", "-q")[0] == 0
    assert clipdex("failures", tmp_path) == (0, "", "note: nothing failed\n")
    assert "nothing failed here" in fails("failures", tmp_path, "--reason", "truncated")


def test_status_names_the_file_of_a_failure_once(folder: Path) -> None:
    assert clipdex("status", folder)[1].count("text.jpg") == 1


def test_status_tells_programs_all_of_it(folder: Path) -> None:
    told = json.loads(clipdex("status", folder, "--json")[1])
    assert told["reasons"] == {"not an image": 2, "empty file": 1}
    assert told["sources"] == [str(folder)]
    assert (told["indexes"], told["others"]) == ([], [])
    collection = Collection.find(folder)
    kept = Space(model=collection.info.model.model_copy(update={"name": "older"}), tables="models/" + "0" * 16)
    collection.save(collection.info.model_copy(update={"others": [kept]}))
    assert json.loads(clipdex("status", folder, "--json")[1])["others"] == ["older (kept)"]
    assert "and         older (kept)" in clipdex("status", folder)[1]
    assert told["size_bytes"] > 1000


def test_the_state_of_an_index_is_one_line() -> None:
    now = datetime(2026, 1, 3, 12, tzinfo=UTC)
    index = IndexStatus("images", "hnsw", 12_000, 34, now - timedelta(days=2, hours=3), 5_000_000, None)
    assert index_line(index, now) == "hnsw, 12,000 images, 34 not in it yet, built 2 days ago, 5.0 MB"
    assert format_age(timedelta(seconds=61)) == "1 minute"
    broken = IndexStatus("texts", "exact", 0, 0, None, 0, "it was built elsewhere")
    assert index_line(broken, now) == "captions: not used: it was built elsewhere"


def test_verify_says_that_all_is_well_or_what_is_not(folder: Path) -> None:
    code, out, err = clipdex("verify", folder)
    assert (code, err) == (0, "")
    assert out.startswith("4 images, 0 captions and 3 failures read in ")
    assert out.endswith("s: nothing is wrong\n")
    images = Collection.find(folder).table("images")
    (row,) = tables.read_keys(images, "id", ["2.png"], images.schema.names)
    tables.upsert(images, [row | {"vector": row["vector"] * 2}], "id")
    code, out, _ = clipdex("verify", folder)
    assert code == 1
    assert out.splitlines()[0].endswith("s: not all is well")
    assert out.splitlines()[1] == "1 vectors that are not of length 1 in images: 2.png"
    assert "with --repair: the row goes; the next clipdex index embeds the image anew" in out
    told = json.loads(clipdex("verify", folder, "--json")[1])
    assert (told["rows"]["images"], told["findings"][0]["examples"], told["repaired"]) == (4, ["2.png"], False)
    code, out, _ = clipdex("verify", folder, "--repair")
    assert code == 0
    assert "  repaired: the row goes" in out
    assert clipdex("verify", folder)[0] == 0
    assert "1 added" in clipdex("index", folder)[1]
    assert "4 images" in clipdex("verify", folder)[1]


def test_compact_says_what_it_freed(folder: Path) -> None:
    paint(folder / "4.png", "blue", 4)
    assert clipdex("index", folder, "-q")[0] == 0
    out = clipdex("compact", folder)[1]
    assert "old versions stay for searches that are running now" in out
    now = Collection.find(folder).size_bytes()
    assert f"{format_size(now)} now" in out
    told = json.loads(clipdex("compact", folder, "--keep", "0", "--json")[1])
    assert told["kept"] == 0
    assert told["after"] < told["before"]
    assert (
        compaction_summary(Compaction(**told))
        == f"{format_size(now - told['after'])} freed: {format_size(now)} before, {format_size(told['after'])} now"
    )
    assert clipdex("compact", folder, "--keep", "0")[1].startswith("nothing to free: ")
    assert compaction_summary(Compaction(548_000, 889_000, 3, 1.0)).startswith(
        "nothing freed yet: 889.0 kB now, 341.0 kB more than"
    )
    assert clipdex("verify", folder)[0] == 0


@pytest.mark.parametrize("command", ["failures", "verify", "compact", "status"])
def test_they_say_where_there_is_no_collection(tmp_path: Path, command: str) -> None:
    assert "make one: clipdex index" in fails(command, tmp_path)


def test_vectors_go_out_and_come_in_again(folder: Path, tmp_path: Path) -> None:
    code, out, err = clipdex("export", folder, tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("4 images and 0 captions, ")
    assert out.splitlines()[1:] == ["  img_emb/img_emb_0.npy", "  metadata/metadata_0.parquet"]
    code, out, err = clipdex("import", tmp_path / "out", "--model", "toy", "--to", tmp_path / "in")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].endswith("s: 4 added")
    assert out.splitlines()[1].startswith("4 images embedded again agree, mean cosine 1.0000")
    assert clipdex("search", "red", tmp_path / "in")[1].splitlines()[0].endswith(".png")
    told = json.loads(clipdex("import", tmp_path / "out", "--model", "toy", "--to", tmp_path / "in", "--json")[1])
    assert (told["present"], told["total"], told["agreement"]["count"]) == (4, 4, 4)
    assert "4 unchanged" in clipdex("index", folder, "--to", tmp_path / "in")[1]
    assert json.loads(clipdex("export", folder, tmp_path / "npy", "-f", "npy", "--json")[1])["images"] == 4
    assert "unknown layout 'parquet'; choose one of: " in fails("export", folder, tmp_path / "x", "-f", "parquet")
    assert "missing option '--model'" in fails("import", tmp_path / "out")
    assert "is not empty" in fails("export", folder, tmp_path / "out")
    assert "and those of tiny have 256: another model made them" in fails("import", tmp_path / "out", "-m", "tiny")


def test_the_app_shows_pictures_that_have_no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "mine.npy", np.eye(3, 64, dtype=np.float32))
    parquet.write_table(pa.table({"path": [f"/gone/{number}.jpg" for number in range(3)]}), tmp_path / "mine.parquet")
    assert clipdex("import", tmp_path / "mine.npy", "-m", "toy", "--to", tmp_path / "in")[0] == 0
    app = opened(tmp_path / "in", monkeypatch)
    app.query_params["q"] = "red"
    app.run()
    assert not app.exception
    assert sorted(tiles(app)) == ["0.jpg", "1.jpg", "2.jpg"]
    assert "1\\.jpg was imported without its file, so it has no thumbnail" in shown(app)
    app.query_params["item"] = "1.jpg"
    app.run()
    assert not app.exception
    assert "/gone/1.jpg" in shown(app)


# What the page means by these names, here.
NAMES = {"~/Pictures": "pictures", "ViT-B-32/openai": "toy", "~/embeddings": "embeddings", "/data/photos": "pictures"}


def test_every_command_of_these_that_the_page_shows_does_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "indexing.md").read_text("utf-8")
    lines = [line for _, block in blocks(page, "sh") for line in block.splitlines()]
    ours = [line for line in lines if line.split()[1:2] and line.split()[1] in OURS]
    assert {line.split()[1] for line in ours} == OURS
    for number in range(4):
        paint(tmp_path / "pictures" / f"{number}.png", "red", number)
    (tmp_path / "pictures" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    assert clipdex("index", tmp_path / "pictures", "--model", "toy", "-q")[0] == 0
    assert clipdex("export", tmp_path / "pictures", tmp_path / "embeddings")[0] == 0
    with contextlib.chdir(tmp_path):
        for line in ours:
            words = shlex.split(line, comments=True)[1:]
            code, _, err = clipdex(*(NAMES.get(word, word) for word in words))
            assert (code, err) == (0, ""), line


OURS = {"status", "failures", "verify", "compact", "import", "export"}


def test_optimize_says_why_it_builds_or_draws_nothing(folder: Path) -> None:
    code, out, _ = clipdex("optimize", folder, "--report")
    assert code == 0 and out.splitlines()[-3:] == [
        "captions: exact",
        "  there are none, so there is nothing to index",
        "nothing drawn: an exact search finds every answer, so there is no recall to draw",
    ]
    out = clipdex("optimize", folder, "--kind", "hnsw")[1]
    assert out.startswith("images: hnsw\n  it was asked for\n")
    assert out.endswith("captions: exact\n  there are none, so there is nothing to index\n")
