"""Is data with classes or captions read as it stands, and refused with a sentence when it is not as it should be?"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.errors import DataError
from tests.shared import shared
from train.data.sources import CaptionedData, read_captioned, read_class_data


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def parquet(path: Path, metadata: dict[str, Any] | None = None, **columns: Any) -> Path:
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata({key: json.dumps(value) for key, value in metadata.items()})
    pq.write_table(table, path)
    return path


def test_labels_and_names_come_from_parquet(tmp_path: Path) -> None:
    labels = pa.array([1, 0, 1], pa.int8())
    images = [picture("red"), picture("blue"), picture("red")]
    names = {"class_names": ["cat", "sports car, sport car"]}
    data = read_class_data(parquet(tmp_path / "a.parquet", names, image=images, label=labels))
    assert list(data.images) == images
    assert data.labels.tolist() == [1, 0, 1]
    assert data.labels.dtype == np.int64
    assert data.names == [["cat"], ["sports car", "sport car"]]


def test_classes_with_their_synonyms_beat_plain_names_and_may_lie_beside_the_file(tmp_path: Path) -> None:
    classes = [{"label": 1, "names": ["b"]}, {"label": 0, "names": ["a, with comma", "aa"]}]
    columns: dict[str, Any] = {"image": [picture()], "label": [0]}
    both = {"class_names": ["x", "y"], "classes": classes}
    expected = [["a, with comma", "aa"], ["b"]]
    assert read_class_data(parquet(tmp_path / "a.parquet", both, **columns)).names == expected
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    assert read_class_data(parquet(tmp_path / "b.parquet", **columns)).names == expected


def test_class_data_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    names = {"class_names": ["a", "b"]}
    for metadata, columns, message in (
        (names, {"image": [picture()]}, "has no column 'label'; it has: image"),
        (names, {"image": [picture()], "label": [2]}, "labels go from 2 to 2, but 2 classes have names"),
        (names, {"image": [picture()], "label": [-1]}, "labels go from -1 to -1"),
        (names, {"image": [picture(), None], "label": [0, 1]}, "column 'image' has 1 empty cells"),
        (names, {"image": ["a.jpg"], "label": [0]}, "column 'image' is string"),
        (names, {"image": [picture()], "label": [0.5]}, "column 'label' is double"),
        (names, {"image": pa.array([], pa.binary()), "label": pa.array([], pa.int8())}, "has no rows"),
        (None, {"image": [picture()], "label": [0]}, "does not name its classes"),
        ({"classes": [{"label": 5, "names": ["a"]}]}, {"image": [picture()], "label": [0]}, "cannot be read"),
        ({"classes": {"a": 1}}, {"image": [picture()], "label": [0]}, "cannot be read"),
    ):
        parquet(path, metadata, **columns)
        with pytest.raises(DataError) as caught:
            read_class_data(path)
        assert message in str(caught.value)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_class_data(path)
    with pytest.raises(DataError, match="there is no data at"):
        read_class_data(tmp_path / "none.parquet")
    for read in (read_class_data, read_captioned):
        with pytest.raises(DataError, match=r"cannot be looked at: File name too long"):
            read(tmp_path / ("none" * 100))


def test_a_folder_of_class_folders_is_read_in_order(tmp_path: Path) -> None:
    for name in ("zebra/2.png", "zebra/1.JPG", "sports_car, car/deep/3.webp", "zebra/notes.txt", ".git/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture())
    data = read_class_data(tmp_path)
    assert data.names == [["sports car", "car"], ["zebra"]]
    assert [str(Path(p).relative_to(tmp_path)) for p in data.images if isinstance(p, Path)] == [
        "sports_car, car/deep/3.webp",
        "zebra/1.JPG",
        "zebra/2.png",
    ]
    assert data.labels.tolist() == [0, 1, 1]
    for kind in ("jfif", "jpe", "mpo", "qoi", "PGM"):  # every ending that the indexer knows, too
        (tmp_path / f"zebra/0.{kind}").write_bytes(picture())
    assert read_class_data(tmp_path).labels.tolist() == [0] + 7 * [1]
    (tmp_path / "zebra/phone.JXL").write_bytes(b"x")
    with pytest.raises(DataError, match=r"JPEG XL .* cannot be read, and .*zebra holds 1, the first is 'phone\.JXL'"):
        read_class_data(tmp_path)
    (tmp_path / "zebra/phone.JXL").unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the class folder .*empty holds no images"):
        read_class_data(tmp_path)
    with pytest.raises(DataError, match="holds no class folders"):
        read_class_data(tmp_path / "zebra")


def test_captions_come_from_parquet(tmp_path: Path) -> None:
    images = [picture("red"), picture("blue")]
    captions = [["a red square", "red"], ["blue"]]
    data = read_captioned(parquet(tmp_path / "a.parquet", image=images, captions=captions))
    assert list(data.images) == images
    assert data.captions == captions
    with pytest.raises(DataError, match="1 images have no caption, the first is row 1"):
        read_captioned(parquet(tmp_path / "b.parquet", image=images, captions=[["x"], []]))
    with pytest.raises(DataError, match="has no column 'captions'; it has: image, label"):
        read_captioned(parquet(tmp_path / "c.parquet", image=images, label=[0, 1]))
    with pytest.raises(DataError, match="column 'captions' is string"):
        read_captioned(parquet(tmp_path / "d.parquet", image=images, captions=["x", "y"]))


def test_captions_come_from_a_folder_several_rows_a_picture(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(picture())
    csv = tmp_path / "captions.csv"
    csv.write_text('\ufeffimage,caption\nb.png,"one, two"\na.png,three\nb.png,four ö\n', "utf-8")
    for source in (tmp_path, csv):
        data = read_captioned(source)
        assert list(data.images) == [tmp_path / "b.png", tmp_path / "a.png"]
        assert data.captions == [["one, two", "four ö"], ["three"]]
    for content, message in (
        ("image,text\nb.png,x\n", "must begin with a line that names the columns image,caption"),
        ("image,caption\n", "has no rows"),
        ("image,caption\nb.png,\n", "line 2 lacks an image or a caption"),
        ("image,caption\nb.png\n", "line 2 lacks an image or a caption"),
        ("image,caption\nb.png,x\nc.png,y\n", "names 1 images that do not exist, the first is 'c.png'"),
        ("", "must begin with a line"),
    ):
        csv.write_text(content)
        with pytest.raises(DataError) as caught:
            read_captioned(tmp_path)
        assert message in str(caught.value)
    # Columns in any order and spelling, as when a folder is indexed.
    csv.write_text("Caption, n, Image \r\nthree,1, a.png\r\n\r\n", "utf-8")
    assert read_captioned(csv) == CaptionedData([tmp_path / "a.png"], [["three"]])
    csv.unlink()
    with pytest.raises(DataError, match=r"there is no .*captions\.csv; captioned data is a folder with"):
        read_captioned(tmp_path)


def test_the_shared_data_is_read_whole() -> None:
    folder = shared("data")
    cifar = read_class_data(folder / "cifar10" / "test.parquet")
    assert np.bincount(cifar.labels).tolist() == [500] * 10
    assert [names[0] for names in cifar.names][:3] == ["airplane", "automobile", "bird"]
    tiny = read_class_data(folder / "tiny_imagenet" / "val.parquet")
    assert np.bincount(tiny.labels).tolist() == [25] * 200
    assert tiny.names[0] == ["goldfish", "Carassius auratus"]
    photos = read_captioned(folder / "photos")
    assert len(photos.images) == 200
    assert {len(captions) for captions in photos.captions} == {5}
    assert len(read_captioned(folder / "captioned" / "train.parquet").images) == 8141
