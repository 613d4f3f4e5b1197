"""Do names of all kinds survive: on disk, in a table, in a search, on the way out and in again?"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

import clipdex
from core.inference.load import load_encoder
from indexer.collection.collection import Collection
from indexer.exchange.export_vectors import export_vectors
from indexer.exchange.import_vectors import import_vectors
from indexer.maintenance import verify
from tests.indexer.pictures import index, paint

NAMES = [
    *(b"new\nline.jpg", b"carriage\rreturn.jpg", b"tab\tname.jpg", b"quo'te\".jpg", b"com,ma;.jpg", b"-rf.jpg"),
    *("🎉 é.jpg".encode(), "日本.jpg".encode(), "e\u0301 in two.jpg".encode(), "\u202egpj.exe.jpg".encode()),
    *(b"caf\xe9.jpg", b"\xff\xfe\x80.jpg", b"half \xf0\x9f\x8e.jpg", "line\u2028end.jpg".encode()),
    *(b"%41.jpg", b"%.jpg", b"back\\slash.jpg", b"back\\x41.jpg", b"\\u00e9.jpg", b"\x1b[31m.jpg", b"\x7f.jpg"),
    *(b"$(true).jpg", b"`true`.jpg", b"*?.jpg", b"<b>&amp;.jpg", b"a:b.jpg", b"#1?x=y.jpg", b"' OR 1=1 --.jpg"),
    *(b"n" * 251 + b".jpg", ("ü" * 125).encode() + b".jpg", b"/".join([b"d" * 200] * 19 + [b"deep.jpg"])),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image under each name, all different."""
    folder = tmp_path_factory.mktemp("names") / "p"
    for number, name in enumerate(NAMES):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(folder / "a.jpg", seed=number).rename(path)
    assert index(folder).added == len(NAMES)
    return folder


def on_disk(searcher: clipdex.Searcher, folder: Path) -> dict[str, bytes]:
    """Id -> the name that a search leads to, relative to the folder."""
    prefix = os.fsencode(folder) + b"/"
    hits = searcher.search("red", limit=1000)
    return {hit.id: os.fsencode(hit.path).removeprefix(prefix) for hit in hits if hit.path}


def test_every_file_is_found_under_its_own_name_and_read_through_its_id(folder: Path) -> None:
    searcher = clipdex.open(folder)
    found = on_disk(searcher, folder)
    assert sorted(found.values()) == sorted(NAMES)
    for item_id, name in found.items():
        file = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        assert item_id.isprintable() or "\u202e" in item_id
        assert "\n" not in item_id
        assert searcher.search(like=item_id, limit=1)[0].score == pytest.approx(1, abs=1e-5)
        assert searcher.item(item_id).id == item_id
        assert searcher.thumbnail(item_id)[:3] == b"\xff\xd8\xff"
        assert searcher.collection.source.read(item_id) == file.read_bytes()


def test_a_second_run_and_a_look_at_every_row_find_nothing_to_do(folder: Path) -> None:
    report = index(folder)
    assert (report.unchanged, report.added, report.removed) == (len(NAMES), 0, 0)
    assert verify.verify(Collection.find(folder)).well


@pytest.mark.parametrize("layout", ["clip-retrieval", "npy"])
def test_names_go_out_and_come_in_again(folder: Path, tmp_path: Path, layout: str) -> None:
    export_vectors(Collection.find(folder), tmp_path / "out", layout=layout)
    done = import_vectors(tmp_path / "out", encoder=load_encoder("toy"), to=tmp_path / "in", load="toy")
    assert (done.added, done.failed, done.unreachable, done.images) == (len(NAMES), {}, 0, folder)
    assert on_disk(clipdex.open(tmp_path / "in"), folder) == on_disk(clipdex.open(folder), folder)
    assert index(folder, to=tmp_path / "in").unchanged == len(NAMES)


def test_removing_files_removes_exactly_their_rows(folder: Path, tmp_path: Path) -> None:
    index(folder, to=tmp_path / "kept")
    gone = NAMES[::5]
    taken = {}
    for name in gone:
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        taken[path] = path.read_bytes(), path.stat().st_mtime_ns
        path.unlink()
    try:
        assert index(folder, to=tmp_path / "kept").removed == len(gone)
        left = on_disk(clipdex.open(tmp_path / "kept"), folder).values()
        assert sorted(left) == sorted(set(NAMES) - set(gone))
    finally:
        for path, (content, when) in taken.items():
            path.write_bytes(content)
            os.utime(path, ns=(when, when))


def write_tar(path: Path, names: list[bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for number, name in enumerate(names):
            content = paint(path.with_name("a.jpg"), seed=number).read_bytes()
            member = tarfile.TarInfo(os.fsdecode(name))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_zip(path: Path, names: list[bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(os.fsdecode(name), paint(path.with_name("a.jpg"), seed=number).read_bytes())


def is_utf8(name: bytes) -> bool:
    return name.decode("utf-8", "ignore").encode() == name


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_of_archives_keep_their_names(tmp_path: Path, kind: str) -> None:
    names = NAMES if kind == "tar" else [name for name in NAMES if is_utf8(name)]
    names = [*names, b"f" * 3996 + b".jpg"]  # longer than any file's on disk
    (write_tar if kind == "tar" else write_zip)(tmp_path / f"a.{kind}", names)
    report = index(tmp_path / f"a.{kind}", to=tmp_path / "kept")
    assert (report.added, report.failed) == (len(names), {})
    searcher = clipdex.open(tmp_path / "kept")
    ids = [hit.id for hit in searcher.search("red", limit=1000)]
    assert len(set(ids)) == len(names)
    contents = {searcher.collection.source.read(item_id) for item_id in ids}
    assert len(contents) == len(names)
    assert index(tmp_path / f"a.{kind}", to=tmp_path / "kept").unchanged == len(names)
    assert verify.verify(Collection.find(tmp_path / "kept")).well
    export_vectors(Collection.find(tmp_path / "kept"), tmp_path / "out", dtype="float32")
    done = import_vectors(tmp_path / "out", encoder=load_encoder("toy"), to=tmp_path / "in", load="toy")
    assert (done.added, done.failed) == (len(names), {})
    assert sorted(hit.id for hit in clipdex.open(tmp_path / "in").search("red", limit=1000)) == sorted(ids)
