"""Do vectors come in and go out unchanged, and only those that can be believed?"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import clipdex
from core.errors import CollectionError, ConfigError, DataError, ModelError, QueryError, WrongModelError
from core.inference.load import load_encoder
from indexer.collection.collection import Collection
from indexer.exchange import npy
from indexer.exchange.export_vectors import Exported, export_vectors
from indexer.exchange.import_vectors import Imported, import_vectors
from indexer.maintenance import verify
from indexer.sources import Settings
from tests.indexer.object_store import bucket
from tests.indexer.pictures import COLOURS, failures, index, paint, state

__all__ = ["bucket"]
TOY = load_encoder("toy")
NAMES = ["red.jpg", "green.jpg", "album/blue.png", "album/white.png"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with twelve images."""
    folder = tmp_path / "pictures"
    for number in range(12):
        paint(folder / ("album" if number % 3 else "") / f"{number:02}.jpg", list(COLOURS)[number % 4], seed=number)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def embedded(folder: Path, ids: list[str]) -> np.ndarray:
    """What clip-retrieval would compute with the same model."""
    from core.encoder import read_picture

    return TOY.encode_prepared(np.stack([read_picture(TOY, folder / name)[1] for name in ids]))


def write(
    to: Path, vectors: np.ndarray, columns: dict[str, Any], *, texts: np.ndarray | None = None, number: str = "0"
) -> Path:
    """Files as clip-retrieval writes them: a pandas table without types of its own, one number a file."""
    for name in ("img_emb", "text_emb", "metadata"):
        (to / name).mkdir(parents=True, exist_ok=True)
    np.save(to / "img_emb" / f"img_emb_{number}.npy", vectors)
    if texts is not None:
        np.save(to / "text_emb" / f"text_emb_{number}.npy", texts)
    parquet.write_table(pa.table(columns), to / "metadata" / f"metadata_{number}.parquet")
    return to


def bring(path: Path, **options: Any) -> Imported:
    return import_vectors(path, encoder=options.pop("encoder", TOY), load="toy", **options)


def send(folder: Path, to: Path, **options: Any) -> Exported:
    return export_vectors(Collection.find(folder), to, **options)


def vectors_of(folder: Path) -> dict[str, np.ndarray]:
    return {item_id: np.array(row["vector"], np.float32) for item_id, row in state(folder)["images"].items()}


def captions_of(folder: Path) -> dict[str, list[str]]:
    searcher = clipdex.open(folder)
    return {item_id: searcher.item(item_id).captions for item_id in state(folder)["images"]}


# --- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_embedding_folder_becomes_the_collection_that_indexing_would_make(
    pictures: Path, tmp_path: Path, dtype: str
) -> None:
    ids = names(pictures)
    words = [f"image number {number}" for number in range(12)]
    columns = {"image_path": [str(pictures / name) for name in ids], "caption": words}
    folder = write(tmp_path / "emb", embedded(pictures, ids).astype(dtype), columns, texts=TOY.encode_texts(words))
    done = bring(folder)
    assert (done.added, done.present, done.failed, done.total, done.unreachable) == (12, 0, {}, 12, 0)
    assert done.images == pictures / "album" or done.images == pictures
    assert done.agreement is not None
    assert (done.agreement.what, done.agreement.count) == ("images", 12)
    assert done.agreement.mean > 0.9999
    lines = [f'"{name}",{text}' for name, text in zip(ids, words, strict=True)]
    (tmp_path / "captions.csv").write_text("image,caption\n" + "\n".join(lines) + "\n")
    shutil.copytree(pictures, tmp_path / "indexed", ignore=shutil.ignore_patterns(".clipdex"))
    index(tmp_path / "indexed", captions=tmp_path / "captions.csv")
    one, other = state(pictures), state(tmp_path / "indexed")
    for table, keys in (("images", ["vector", "mtime_ns"]), ("texts", ["vector"])):
        assert one[table].keys() == other[table].keys()
        for key, row in one[table].items():
            same = {name: value for name, value in other[table][key].items() if name not in keys}
            assert {name: value for name, value in row.items() if name not in keys} == same
            assert np.allclose(row["vector"], other[table][key]["vector"], atol=1e-3 if dtype == "float16" else 1e-6)
            assert abs(np.linalg.norm(row["vector"]) - 1) < 1e-5
    assert verify.verify(Collection.find(pictures)).well
    report = index(pictures)  # and from then on it is indexed like any other
    assert (report.unchanged, report.added, report.updated, report.removed) == (12, 0, 0, 0)


def test_pictures_that_cannot_be_reached_are_found_without_thumbnail_and_size(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    vectors = embedded(pictures, ids)
    columns = {"image_path": [f"/data/coco/{name}" for name in ids], "caption": ["red" for _ in ids], "url": ids}
    folder = write(tmp_path / "emb", vectors, columns, texts=TOY.encode_texts(["red"] * 12))
    with pytest.raises(CollectionError, match=r"/data/coco is not a folder; say where to keep .* with --to"):
        bring(folder)
    done = bring(folder, to=tmp_path / "kept")
    assert (done.added, done.unreachable, done.images) == (12, 12, Path("/data/coco"))
    assert done.agreement is not None
    assert (done.agreement.what, done.agreement.count) == ("captions", 12)
    assert "12 images cannot be reached in /data/coco: they have no thumbnail" in done.summary()
    searcher = clipdex.open(tmp_path / "kept")
    hit = searcher.search(like=ids[3], limit=1)[0]
    assert (hit.id, hit.path, hit.width, hit.height) == (ids[3], Path("/data/coco") / ids[3], None, None)
    assert hit.caption == "red"
    item = searcher.item(ids[3])
    assert (item.size, item.modified, item.width) == (None, None, None)
    with pytest.raises(QueryError, match="was imported without its file, so it has no thumbnail"):
        searcher.thumbnail(ids[3])
    result = verify.verify(Collection.find(tmp_path / "kept"))
    assert (result.findings, result.without_thumbnail) == ([], 12)
    # Where their folder is now, the images are reached, and the paths need not be those of another machine.
    done = bring(folder, images=pictures)
    assert (done.added, done.unreachable, done.agreement and done.agreement.what) == (12, 0, "images")
    assert clipdex.open(pictures).thumbnail(ids[3])[:3] == b"\xff\xd8\xff"


def test_a_run_over_the_folder_embeds_what_was_imported_without_its_file(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    folder = write(tmp_path / "emb", embedded(pictures, ids), {"image_path": [str(pictures / name) for name in ids]})
    pictures.rename(tmp_path / "unplugged")
    assert bring(folder, to=tmp_path / "kept", images=pictures).unreachable == 12
    (tmp_path / "unplugged").rename(pictures)
    report = index(pictures, to=tmp_path / "kept")
    assert (report.added, report.updated + report.unchanged, report.removed) == (0, 12, 0)
    assert clipdex.open(tmp_path / "kept").thumbnail(ids[0])[:3] == b"\xff\xd8\xff"


def test_importing_twice_adds_nothing_and_another_part_adds_its_own(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    vectors = embedded(pictures, ids)
    paths = [str(pictures / name) for name in ids]
    half = write(tmp_path / "half", vectors[:6], {"image_path": paths[:6], "caption": ["one"] * 6})
    whole = write(tmp_path / "whole", vectors, {"image_path": paths, "caption": ["one"] * 12})
    assert bring(half, images=pictures).added == 6
    before = state(pictures)
    again = bring(half, images=pictures)
    assert (again.added, again.present) == (0, 6)
    assert state(pictures) == before
    assert "6 were here already" in again.summary()
    done = bring(whole, images=pictures)
    assert (done.added, done.present) == (6, 6)
    assert index(pictures).unchanged == 12


def test_several_files_are_paired_by_their_numbers(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    vectors = embedded(pictures, ids)
    for number, part in (("00", slice(0, 5)), ("01", slice(5, 6)), ("10", slice(6, 12))):
        write(tmp_path / "emb", vectors[part], {"image_path": ids[part]}, number=number)
    done = bring(tmp_path / "emb", images=pictures)
    assert (done.added, done.agreement and done.agreement.count) == (12, 12)
    for name, vector in vectors_of(pictures).items():
        assert np.array_equal(vector, vectors[ids.index(name)])


def test_plain_npy_with_parquet_beside_it_is_taken(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    np.save(tmp_path / "mine.npy", embedded(pictures, ids).astype(np.float64) * 3)
    columns = {"n": list(range(12)), "filename": ids, "text": [["a", "b"]] * 6 + [[]] * 3 + [None] * 3}
    parquet.write_table(pa.table(columns), tmp_path / "mine.parquet")
    done = bring(tmp_path / "mine.npy", images=pictures)
    assert (done.added, done.texts) == (12, 12)
    assert captions_of(pictures)[ids[0]] == ["a", "b"]
    assert captions_of(pictures)[ids[11]] == []
    assert np.allclose(vectors_of(pictures)[ids[7]], embedded(pictures, ids)[7], atol=1e-6)


def test_vectors_of_pictures_in_tar_files_are_known_by_their_keys(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    (tmp_path / "shards").mkdir()
    for number in range(2):
        with tarfile.open(tmp_path / "shards" / f"{number:05}.tar", "w") as archive:
            for row in range(6 * number, 6 * number + 6):
                archive.add(pictures / ids[row], f"{row:09}.jpg")
    keys = [f"{row:09}" for row in range(12)]
    folder = write(tmp_path / "emb", embedded(pictures, ids), {"image_path": keys, "caption": ["red"] * 12})
    with pytest.raises(CollectionError, match="say where to keep the collection with --to DIR"):
        bring(folder, images=tmp_path / "shards" / "00000.tar")
    done = bring(folder, images=tmp_path / "shards", to=tmp_path / "kept")
    assert (done.added, done.unreachable, done.agreement and done.agreement.count) == (12, 0, 12)
    rows = state(tmp_path / "kept")["images"]
    assert sorted(rows) == [f"{row // 6:05}.tar/{row:09}.jpg" for row in range(12)]
    report = index(tmp_path / "shards", to=tmp_path / "kept")
    assert (report.unchanged, report.total) == (12, 12)
    assert captions_of(tmp_path / "kept")["00001.tar/000000007.jpg"] == ["red"]


def test_rows_that_cannot_be_used_are_failures_and_take_no_neighbours_with_them(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    vectors = embedded(pictures, ids).astype(np.float32)
    vectors[1, 3], vectors[2, 0], vectors[4] = np.nan, np.inf, 0
    (pictures / ids[6]).write_text("not an image any more")
    paths: list[str | None] = list(ids)
    paths[8], paths[9], paths[10] = None, "../../etc/passwd.jpg", "  "
    folder = write(tmp_path / "emb", vectors, {"image_path": paths})
    done = bring(folder, images=pictures)
    assert (done.added, done.total) == (5, 12)
    assert done.failed == {"bad vector": 3, "no place": 3, "not an image": 1}
    assert sorted(state(pictures)["images"]) == [ids[row] for row in (0, 3, 5, 7, 11)]
    assert failures(pictures) == {
        **dict.fromkeys([ids[1], ids[2], ids[4]], "bad vector"),
        **dict.fromkeys([f"img_emb_0.npy, row {row}" for row in (8, 9, 10)], "no place"),
        ids[6]: "not an image",
    }
    for name, vector in vectors_of(pictures).items():
        assert np.array_equal(vector, vectors[ids.index(name)])
    report = index(pictures)
    assert (report.added, report.unchanged, report.failed) == (6, 5, {"not an image": 1})


def test_vectors_go_into_a_collection_in_an_object_store_with_pictures_there(
    pictures: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fsspec.filesystem("s3").put(f"{pictures}/", f"{bucket}/photos/", recursive=True)
    ids = names(pictures)
    columns = {"image_path": ids, "caption": [f"image {name}" for name in ids]}
    given = write(tmp_path / "given", embedded(pictures, ids), columns)
    done = bring(given, images=f"{bucket}/photos", to=f"{bucket}/imported")
    assert (done.added, done.unreachable, done.texts, done.failed) == (12, 0, 12, {})
    assert done.agreement is not None and done.agreement.what == "images"
    assert (done.collection, done.images) == (f"{bucket}/imported", f"{bucket}/photos")
    searcher = clipdex.open(f"{bucket}/imported")
    assert searcher.search(image=pictures / ids[3], limit=1)[0].id == ids[3]
    assert searcher.item(ids[3]).captions == [f"image {ids[3]}"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    again = clipdex.index(f"{bucket}/photos", model="toy", to=f"{bucket}/imported")
    assert (again.unchanged, again.added, again.updated, again.removed) == (12, 0, 0, 0), "its captions are there"


def test_further_rows_of_a_picture_bring_captions_and_another_vector_is_a_failure(
    pictures: Path, tmp_path: Path
) -> None:
    ids = names(pictures)[:3]
    vectors = embedded(pictures, ids)
    rows = [0, 0, 1, 0, 2, 1]
    given = vectors[rows]
    given[5] += np.random.default_rng(0).standard_normal(64) * 0.02  # cosine 0.99: nearly, but not the same
    words = ["one", "two", "blue", "three", "", "x"]
    folder = write(tmp_path / "emb", given, {"image_path": [ids[row] for row in rows], "caption": words})
    done = bring(folder, images=pictures)
    assert (done.added, done.merged, done.failed, done.total) == (3, 2, {"another vector": 1}, 6)
    assert captions_of(pictures) == {ids[0]: ["one", "two", "three"], ids[1]: ["blue"], ids[2]: []}
    assert list(failures(pictures)) == [f"{ids[1]} (img_emb_0.npy, row 5)"]


# --- what is not believed --------------------------------------------------------------------------------------------


def test_vectors_of_another_model_are_refused(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    paths = {"image_path": ids, "caption": ["red"] * 12}
    other = np.random.default_rng(0).standard_normal((12, TOY.dim)).astype(np.float32)
    with pytest.raises(
        ModelError, match=r"are not those of toy: 12 images embedded again have a mean cosine of -?0\.\d"
    ):
        bring(write(tmp_path / "a", other, paths), images=pictures)
    assert not (pictures / ".clipdex").exists()
    with pytest.raises(ModelError, match="12 captions embedded again have a mean cosine"):
        bring(write(tmp_path / "b", other, paths, texts=other), to=tmp_path / "kept")
    with pytest.raises(ModelError, match="have 32 numbers and those of toy have 64: another model made them"):
        bring(write(tmp_path / "c", other[:, :32], paths), images=pictures)
    shifted = np.roll(embedded(pictures, ids), 1, axis=0)  # the right model, and metadata of other rows
    with pytest.raises(ModelError, match="whether vectors and metadata belong together"):
        bring(write(tmp_path / "d", shifted, paths), images=pictures)
    done = bring(write(tmp_path / "e", other, {"image_path": ids}), to=tmp_path / "unchecked")
    assert "the model could not be checked" in done.summary()


def test_a_collection_of_another_model_or_folder_is_not_mixed(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    folder = write(tmp_path / "emb", embedded(pictures, ids), {"image_path": ids, "caption": ["x"] * 12})
    index(pictures, captions=None)
    assert bring(folder, images=pictures).present == 12
    with pytest.raises(CollectionError, match=r"holds the images of .*, not of"):
        bring(folder, images=tmp_path, to=pictures / ".clipdex")
    collection = Collection.find(pictures)
    model = collection.info.model.model_copy(update={"fingerprint": "0" * 64})
    collection.save(collection.info.model_copy(update={"model": model}))
    with pytest.raises(WrongModelError):
        bring(folder, images=pictures)


def header(text: bytes) -> bytes:
    text += b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def array(value: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, value, **options)
    return out.getvalue()


VECTORS = np.eye(3, 64, dtype=np.float32)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "pickled": (array(np.array([{}, {}, {}], object), allow_pickle=True), "holds object"),
    "a pickle": (pickle.dumps(VECTORS), "is not an .npy file"),
    "empty": (b"", "is not an .npy file"),
    "text": (b"hello", "is not an .npy file"),
    "only the magic": (b"\x93NUMPY\x01\x00", "is not an .npy file"),
    "of version 9": (b"\x93NUMPY\x09\x00" + bytes(100), "is not an .npy file"),
    "code in the header": (header(b"__import__('os').system('true')"), "is not an .npy file"),
    "deep header": (header(b"{'descr': " + b"(" * 50), "is not an .npy file"),
    "huge": (
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 64)}"),
        "tells of 1,000,000,000,000 vectors .* holds 0: it is damaged",
    ),
    "negative": (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 64)}") + bytes(768), "damaged"),
    "wide": (header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999)}"), "one row each"),
    "cut short": (array(VECTORS)[:-4], "was not written to its end"),
    "too long": (array(VECTORS) + b"1234", "is damaged"),
    "integers": (array(np.eye(3, 64, dtype=np.int64)), "holds int64; vectors are float16, float32"),
    "words": (array(np.array([["a"] * 64] * 3)), "vectors are float16"),
    "another byte order": (array(VECTORS.astype(">f4")), "little-endian"),
    "one dimension": (array(VECTORS[0]), r"of shape \(64,\); vectors are one row each"),
    "three dimensions": (array(VECTORS[np.newaxis]), "one row each"),
    "columns first": (array(np.asfortranarray(VECTORS)), "columns first"),
    "too few": (array(VECTORS[:2]), "has 2 vectors and metadata_0.parquet 3 rows: nobody can tell"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_npy_file_is_believed_only_where_it_fits(tmp_path: Path, kind: str) -> None:
    content, message = HOSTILE[kind]
    folder = write(tmp_path / "emb", VECTORS, {"image_path": ["a.jpg", "b.jpg", "c.jpg"]})
    (folder / "img_emb" / "img_emb_0.npy").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        bring(folder, to=tmp_path / "kept")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "kept").exists()


def test_metadata_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path / "emb", VECTORS, {"image_path": ["a.jpg", "b.jpg", "c.jpg"]})
    file = folder / "metadata" / "metadata_0.parquet"
    whole = file.read_bytes()
    for content in (b"", b"PAR1", whole[:-9], whole[:40] + bytes(60) + whole[100:]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="metadata_0"):
            bring(folder, to=tmp_path / "kept")
    file.unlink()
    with pytest.raises(DataError, match=r"there is no .*metadata_0.parquet, which would say"):
        bring(folder, to=tmp_path / "kept")
    parquet.write_table(pa.table({"key": ["a", "b", "c"], "id": [1, 2, 3]}), file)
    with pytest.raises(DataError, match="has the columns key, id, and none of those that say where an image is"):
        bring(folder, to=tmp_path / "kept")
    with pytest.raises(DataError, match=r"holds neither a folder img_emb nor \.npy files"):
        bring(tmp_path / "emb" / "metadata", to=tmp_path / "kept")
    with pytest.raises(DataError, match="there is no file or folder"):
        bring(tmp_path / "nothing", to=tmp_path / "kept")


# --- out, and in again -----------------------------------------------------------------------------------------------


ODD = [
    *(b"new\nline.jpg", b"quo'te\".jpg", "🎉 é.jpg".encode(), b"caf\xe9.jpg", b"-rf.jpg", b"%41.jpg", b"back\\x41.jpg"),
    *(b"\x1b[31m.jpg", b"n" * 251 + b".jpg", b"/".join([b"d" * 200] * 19 + [b"deep.jpg"]), b"com,ma;.jpg"),
]


def paint_odd(folder: Path) -> list[Path]:
    """An image under each odd name."""
    made = []
    for number, name in enumerate(ODD):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(folder / "a.jpg", seed=number).rename(path)
        made.append(path)
    return made


@pytest.mark.parametrize("layout", ["clip-retrieval", "npy"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_goes_out_comes_in_again(tmp_path: Path, layout: str, dtype: str) -> None:
    folder = tmp_path / "pictures"
    paint_odd(folder)
    paint(folder / "plain.jpg", "blue")
    index(folder)
    lines = [f'"{item_id}","{item_id[:9]}, 日本"\n"{item_id}",second' for item_id in list(state(folder)["images"])[:7]]
    escaped = "\n".join(line.replace("quo'te\"", 'quo\'te""') for line in lines)
    (tmp_path / "words.csv").write_text("image,caption\n" + escaped + "\n")
    index(folder, captions=tmp_path / "words.csv")
    done = send(folder, tmp_path / "out", layout=layout, dtype=dtype, per_file=5)
    assert (done.images, done.texts) == (12, len(state(folder)["texts"]))
    assert done.texts >= 12
    assert done.size_bytes == sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    back = bring(tmp_path / "out", to=tmp_path / "back")
    assert (back.added, back.failed, back.unreachable, back.images) == (12, {}, 0, folder)
    one, other = vectors_of(folder), vectors_of(tmp_path / "back")
    assert sorted(one) == sorted(other)
    for name, vector in one.items():
        assert (
            np.array_equal(vector, other[name]) if dtype == "float32" else np.allclose(vector, other[name], atol=1e-3)
        )
    assert captions_of(folder) == captions_of(tmp_path / "back")
    assert verify.verify(Collection.find(tmp_path / "back")).well
    assert index(folder, to=tmp_path / "back").unchanged == 12
    # And where the files cannot be reached, the ids, vectors and captions are the same all the same.
    folder.rename(tmp_path / "elsewhere")
    far = bring(tmp_path / "out", to=tmp_path / "far")
    assert (far.added, far.unreachable) == (12, 12)
    assert sorted(vectors_of(tmp_path / "far")) == sorted(one)
    assert captions_of(tmp_path / "far") == captions_of(tmp_path / "back")
    assert clipdex.open(tmp_path / "far").item("plain.jpg").width == 60


def test_what_goes_out_is_laid_out_as_clip_retrieval_does_it(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    (pictures / "captions.csv").write_text(f"image,caption\n{ids[2]},a first one\n{ids[2]},a second one\n")
    index(pictures)
    done = send(pictures, tmp_path / "out", per_file=1)
    assert done.files[:2] == ["img_emb/img_emb_00.npy", "img_emb/img_emb_01.npy"]
    assert "text_emb/text_emb_11.npy" in done.files
    assert done.files[-12] == "text_emb/text_emb_00.npy"
    vectors = np.load(tmp_path / "out" / "img_emb" / "img_emb_02.npy")
    assert (vectors.dtype, vectors.shape) == (np.float16, (1, 64))
    assert np.allclose(vectors[0], vectors_of(pictures)[ids[2]], atol=1e-3)
    text = np.load(tmp_path / "out" / "text_emb" / "text_emb_02.npy")
    assert np.allclose(text[0], TOY.encode_texts(["a first one"])[0], atol=1e-3)
    assert not np.load(tmp_path / "out" / "text_emb" / "text_emb_03.npy").any()
    (row,) = parquet.read_table(tmp_path / "out" / "metadata" / "metadata_02.parquet").to_pylist()
    assert row["image_path"] == str(pictures / ids[2])
    assert (row["caption"], row["captions"]) == ("a first one", ["a first one", "a second one"])
    assert (row["width"], row["height"], row["format"], row["clipdex_id"]) == (60, 40, "JPEG", ids[2])


@pytest.mark.parametrize("layout", ["clip-retrieval", "npy"])
@pytest.mark.parametrize("captioned", [True, False])
def test_columns_of_a_source_that_are_named_as_those_of_an_export_go_out_under_another_name(
    pictures: Path, tmp_path: Path, layout: str, captioned: bool
) -> None:
    own = {"image_path": "a", "captions": "b", "text": "c", "clipdex_id": "d", "source_text": "e", "modified": "f"}
    lines = [",".join(["image", "caption", *own])]
    lines += [",".join([f"pictures/{name}", f"image {name}", *own.values()]) for name in names(pictures)[:3]]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    chosen = Settings(captions=("caption",) if captioned else (), columns=tuple(own))
    index(tmp_path / "table.csv", to=tmp_path / "kept", settings=chosen)
    send(tmp_path / "kept", tmp_path / "out", layout=layout)
    (file,) = [path for path in (tmp_path / "out").rglob("*.parquet") if "texts" not in path.name]
    row = parquet.read_table(file).to_pylist()[0]
    assert Path(row["image_path"]) == pictures / names(pictures)[0]
    assert row["clipdex_id"].endswith(names(pictures)[0])
    for name, value in own.items():
        kept_as = {"text": "source_source_text", "source_text": "source_text", "modified": "modified"}
        assert row[kept_as.get(name, f"source_{name}")] == value
    assert ("caption" in row, "captions" in row, "text" in row) == (captioned, captioned, False)
    bring(tmp_path / "out", to=tmp_path / "back")
    assert [len(told) for told in captions_of(tmp_path / "back").values()] == [int(captioned)] * 3


def test_an_export_mixes_with_nothing_and_says_what_it_can_write(pictures: Path, tmp_path: Path) -> None:
    index(pictures)
    with pytest.raises(DataError, match="is not empty"):
        send(pictures, pictures)
    with pytest.raises(ConfigError, match="unknown layout 'csv'; choose one of: clip-retrieval, npy"):
        send(pictures, tmp_path / "out", layout="csv")
    with pytest.raises(ConfigError, match="unknown dtype 'int8'"):
        send(pictures, tmp_path / "out", dtype="int8")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        send(pictures, tmp_path / "file")
    assert send(pictures, tmp_path / "out", layout="npy").files == ["images.npy", "images.parquet"]


def test_vectors_are_read_and_written_to_the_bit(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    npy.write(tmp_path / "a.npy", [vectors[:3], vectors[3:]], 7, 5, "float32")
    assert np.array_equal(npy.map_npy(tmp_path / "a.npy"), vectors)
    assert np.array_equal(np.load(tmp_path / "a.npy"), vectors)
    npy.write(tmp_path / "none.npy", [], 0, 5, "float16")
    assert npy.map_npy(tmp_path / "none.npy").shape == (0, 5)


def test_a_thumbnail_made_on_import_shows_the_picture(pictures: Path, tmp_path: Path) -> None:
    ids = names(pictures)
    bring(write(tmp_path / "emb", embedded(pictures, ids), {"image_path": ids}), images=pictures)
    with Image.open(io.BytesIO(clipdex.open(pictures).thumbnail(ids[0]))) as small:
        assert small.size == (60, 40)
