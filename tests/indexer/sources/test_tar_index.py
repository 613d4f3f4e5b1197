"""Does reading only the headers of a tar file find what the standard library finds, and survive what is no tar file?"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.sources.archives.tar_index import BLOCK, CutShortError, Member, members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def written(entries: list[tuple[str, bytes]], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def found(data: bytes) -> tuple[list[Member], str]:
    """What could be listed, and why not more."""
    listed = []
    try:
        for member in members(io.BytesIO(data), len(data)):
            listed.append(member)  # noqa: PERF402 - those before the error count
    except CutShortError as error:
        return listed, str(error)
    return listed, ""


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=150).filter(
    lambda name: name.strip("/") == name
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=1200)), max_size=5), st.sampled_from(["gnu", "pax"]))
@example([("x" * 300, b"long"), ("caf\udce9.jpg", b"not UTF-8"), ("é" * 90, b"two bytes each")], "gnu")
@example([("x" * 300, b"long"), ("dir/" * 60 + "a.jpg", b"deep")], "pax")
def test_it_finds_what_the_standard_library_finds(entries: list[tuple[str, bytes]], form: str) -> None:
    data = written(entries, FORMATS[form])
    listed, problem = found(data)
    assert problem == ""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape") as archive:
        expected = [(info.name, info.offset_data, info.size) for info in archive]
    assert [(member.name, member.offset, member.size) for member in listed] == expected
    assert [data[member.offset : member.offset + member.size] for member in listed] == [one for _, one in entries]


def test_ustar_names_in_two_parts() -> None:
    name = "a-long-folder-name/" * 7 + "picture.jpg"
    assert found(written([(name, b"x")], tarfile.USTAR_FORMAT))[0][0].name == name


def test_links_folders_and_devices_are_told_apart() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, link in [
            ("folder", tarfile.DIRTYPE, ""),
            ("soft.jpg", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.jpg", tarfile.LNKTYPE, "a.jpg"),
            ("pipe.jpg", tarfile.FIFOTYPE, ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    assert [(m.name.rstrip("/"), m.kind, m.target) for m in found(out.getvalue())[0]] == [
        ("folder", "folder", ""),
        ("soft.jpg", "link", "/etc/passwd"),
        ("hard.jpg", "hard link", "a.jpg"),
        ("pipe.jpg", "other", ""),
    ]


@pytest.mark.parametrize("size", [8**11 - 1, 2**33, 2**62])
def test_a_huge_declared_size_ends_the_list_with_an_error(size: int) -> None:
    out = io.BytesIO(written([("a.jpg", b"first")]))
    info = tarfile.TarInfo("huge.jpg")
    info.size = size
    data = out.getvalue()[: 2 * BLOCK] + info.tobuf(tarfile.GNU_FORMAT) + b"x" * 700
    listed, problem = found(data)
    assert [member.name for member in listed] == ["a.jpg"]
    assert f"declares {size:,} bytes and the file has 700 more" in problem


def test_every_place_to_cut_a_file_is_noticed() -> None:
    entries = [("a.jpg", b"x" * 700), ("b" * 150, b"y" * 10)]
    whole = written(entries)
    end = len(whole.rstrip(b"\0"))
    for length in range(0, end, 37):
        listed, problem = found(whole[:length])
        assert problem, length
        assert all(member.offset + member.size <= length for member in listed)
    assert found(whole)[1] == ""


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_archives_end_in_an_error_or_a_list_within_the_file(data: st.DataObject) -> None:
    whole = bytearray(written([("a.jpg", b"x" * 300), ("c" * 120, b"y"), ("d.json", b"{}")], tarfile.PAX_FORMAT))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, 4 * BLOCK))] = data.draw(st.integers(0, 255))
    for member in found(bytes(whole))[0]:
        assert 0 <= member.offset <= member.offset + member.size <= len(whole)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000))
def test_other_files_are_no_archives(data: bytes) -> None:
    listed, problem = found(data)
    assert listed == []
    assert problem or not any(data[:BLOCK])


def test_an_extended_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    assert "extended header" in found(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)[1]
