"""Which images does the server hand out?  Asked over HTTP, as a browser would and as an attacker would."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import clipdex
from app.cli.commands.ui import server_command
from app.library import searchers
from app.server.addresses import address, decode_item
from app.settings import LARGEST_UPLOAD
from tests.app.conftest import Server, paint, serve
from tests.shared import ROOT

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over images of kinds that browsers cannot show, and a secret beside the collection."""
    root = tmp_path_factory.mktemp("odd")
    (root / "secret.png").write_bytes(b"secret")
    folder = root / "pictures"
    paint(folder / "plain.png", "red", 1)
    paint(folder / "gone.png", "green", 1)
    paint(folder / "replaced.png", "blue", 1)
    Image.new("RGB", (300, 200), (10, 200, 30)).save(folder / "scan.tiff")
    Image.new("CMYK", (30, 20), (0, 200, 200, 0)).save(folder / "print.jpg")
    Image.fromarray(np.full((20, 30), 40_000, np.uint16)).save(folder / "deep.png")
    shutil.copy(folder / "plain.png", os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    with zipfile.ZipFile(root / "more.zip", "w") as archive:
        archive.write(folder / "plain.png", "in a zip/plain.png")
    clipdex.index([folder, root / "more.zip"], model="toy")
    (folder / "gone.png").unlink()
    (folder / "replaced.png").unlink()
    (folder / "replaced.png").symlink_to(root / "secret.png")
    yield from serve(folder)


def test_an_id_survives_its_way_through_a_url() -> None:
    for item in ("a.png", "Ordner/ä b%20?#&.jpg", "..\\x", os.fsdecode(b"caf\xe9"), "日本/🙂.png"):
        token = address("thumb", "k", item).rsplit("/", 1)[-1]
        assert token.replace("-", "").replace("_", "").isalnum()
        assert decode_item(token) == item
    assert decode_item("not base64!") is None
    assert address("thumb", "k", "a.png", "5f-2a") == address("thumb", "k", "a.png") + "?v=5f-2a"


def test_a_thumbnail_comes_as_jpeg_and_is_kept_by_the_browser(server: Server) -> None:
    status, headers, body = server.get(server.address("thumb", "red/red-03.png"))
    assert status == 200
    assert headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(body)).size == (144, 90)
    assert "max-age=3600" in headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    again, _, nothing = server.get(server.address("thumb", "red/red-03.png"), **{"If-None-Match": headers["etag"]})
    assert (again, nothing) == (304, b"")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            ("localhost:8501", 200),
            ("LOCALHOST", 200),
            ("127.0.0.1", 200),
            ("[::1]:8501", 200),
            ("192.168.1.7:80", 200),
        ),
        *(
            ("evil.example", 403),
            ("evil.example:8501", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.nip.io", 403),
        ),
        *(("[::1", 403), ("user@evil.example", 403)),
    ],
)
@pytest.mark.parametrize("kind", ["thumb", "image"])
def test_a_site_whose_name_was_made_to_point_here_gets_no_pictures(
    server: Server, kind: str, host: str, status: int
) -> None:
    assert server.get(server.address(kind, "red/red-03.png"), Host=host)[0] == status


def test_the_full_picture_is_the_file_itself(server: Server) -> None:
    status, headers, body = server.get(server.address("image", "red/red-03.png"))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == (server.folder / "red" / "red-03.png").read_bytes()


def test_a_picture_in_an_archive_is_served_from_there(odd: Server) -> None:
    status, headers, body = odd.get(odd.address("image", "more//in a zip/plain.png"))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == odd.get(odd.address("image", "plain.png"))[2]


@pytest.mark.parametrize("name", ["scan.tiff", "print.jpg", "deep.png"])
def test_what_browsers_cannot_show_is_converted(odd: Server, name: str) -> None:
    status, headers, body = odd.get(odd.address("image", name))
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    with Image.open(odd.folder / name) as original:
        assert Image.open(io.BytesIO(body)).size == original.size


def test_a_name_that_is_no_utf8_is_served(odd: Server) -> None:
    names = [hit.id for hit in clipdex.open(odd.folder).search("red") if hit.id.startswith("caf")]
    assert len(names) == 1
    assert odd.get(odd.address("image", names[0]))[0] == 200


@pytest.mark.parametrize("name", ["gone.png", "replaced.png"])
def test_a_file_that_is_gone_or_no_picture_any_more_is_not_found(odd: Server, name: str) -> None:
    assert odd.get(odd.address("thumb", name))[0] == 200
    status, _, body = odd.get(odd.address("image", name))
    assert (status, body) == (404, b"no such image")


@pytest.mark.parametrize(
    "item",
    [
        "../secret.png",
        "../pictures/plain.png",
        "/etc/passwd",
        "./plain.png",
        "plain.png/../../secret.png",
        "captions.csv",
        ".clipdex/collection.json",
        "plain.png\x00",
        "plain.png\x00.jpg",
        "../pictures",
        "..\\secret.png",
        "%2e%2e/secret.png",
        "%252e%252e%252fsecret.png",
        "file:///etc/passwd",
        "more//../../secret.png",
        "more//in a zip/../../../secret.png",
    ],
)
@pytest.mark.parametrize("kind", ["thumb", "image"])
def test_nothing_outside_the_table_is_served(odd: Server, kind: str, item: str) -> None:
    status, _, body = odd.get(odd.address(kind, item))
    assert (status, body) == (404, b"no such image")


@pytest.mark.parametrize(
    "path",
    [
        "/image/{key}/../../secret.png",
        "/image/{key}/..%2f..%2fsecret.png",
        "/image/{key}/%2e%2e%2fsecret.png",
        "/image/{key}/%252e%252e%252fsecret.png",
        "/image/{key}/plain.png",
        "/image/{key}/%00",
        "/thumb/{key}/..%2f..%2fsecret.png?v=1",
        "/app/static/..%2f..%2fpyproject.toml",
        "/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/media/..%2f..%2fsecret.png",
        "/component/../../../etc/passwd",
        "/image/{key}/..%5csecret.png",
        "/image/{key}//etc/passwd",
        "/image/{key}/%2fetc%2fpasswd",
        "/image/000000000000/" + base64.urlsafe_b64encode(b"plain.png").decode().rstrip("="),
    ],
)
def test_paths_in_the_url_lead_nowhere(odd: Server, path: str) -> None:
    status, headers, body = odd.get(path.replace("{key}", odd.address("image", "x").split("/")[2]))
    assert status >= 400 or headers["content-type"].startswith("text/html")
    assert b"root:" not in body
    assert body != b"secret"


def test_links_lead_to_pictures_of_the_collection_only(tmp_path: Path) -> None:
    """A linked folder belongs to the collection as it was indexed; nothing else is reached through it."""
    (tmp_path / "outside").mkdir()
    for name in ("seen.png", "later.png"):
        paint(tmp_path / "outside" / name, "green", 1)
    (tmp_path / "outside" / "later.png").rename(tmp_path / "later.png")
    inside = tmp_path / "inside"
    paint(inside / "a.png", "red", 1)
    (inside / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    clipdex.index(inside, model="toy")
    (tmp_path / "later.png").rename(tmp_path / "outside" / "later.png")
    (inside / "a.png").unlink()
    (inside / "a.png").symlink_to("/etc/hostname")
    for running in serve(inside):
        assert running.get(running.address("image", "linked/seen.png"))[0] == 200
        for item in ("linked/later.png", "linked/../outside/seen.png", "../outside/seen.png", "a.png"):
            assert running.get(running.address("image", item))[0] == 404


def test_ids_of_another_collection_are_unknown_here(tmp_path: Path) -> None:
    for name, colour in (("one", "red"), ("two", "blue")):
        paint(tmp_path / name / f"{name}.png", colour, 1)
        clipdex.index(tmp_path / name, model="toy")
    for running in serve(tmp_path / "one"):  # the other is not open
        assert running.get(running.address("thumb", "one.png"))[0] == 200
        assert running.get(running.address("thumb", "two.png"))[0] == 404
        closed = address("thumb", searchers.key(tmp_path / "two"), "two.png")
        assert running.get(closed)[0] == 404
        assert running.get(closed + "?v=1")[0] == 404


def tiles(server: Server, ids: object) -> tuple[int, dict[str, dict[str, object]]]:
    """What is told of the tiles of some ids."""
    address = f"{server.url}/tiles/{searchers.key(server.folder.resolve())}"
    body = ids if isinstance(ids, bytes) else json.dumps(ids).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}


def test_tiles_are_told_as_soft_pictures_and_whether_their_files_are_gone(odd: Server) -> None:
    status, told = tiles(odd, ["plain.png", "gone.png", "no such.png", "../secret.png"])
    assert status == 200
    assert {item: one["gone"] for item, one in told.items()} == {"plain.png": False, "gone.png": True}
    content = base64.b64decode(str(told["plain.png"]["blur"]).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(content)) as small:
        assert small.size == (6, 6)
        red, green, blue = small.convert("RGB").getpixel((0, 5))  # type: ignore[misc]
        assert red > 180 > 60 > max(green, blue)


def test_only_a_short_list_of_ids_is_looked_at(odd: Server) -> None:
    for body in (b"", b"{", b"[1]", b'"plain.png"', b"[" * 100_000, json.dumps(["x"] * 201).encode()):
        assert tiles(odd, body)[0] == 400
    assert tiles(odd, b"[" + b" " * 500_000 + b"]")[0] == 413
    assert odd.get(f"/tiles/{searchers.key(odd.folder.resolve())}")[1]["content-type"].startswith(
        "text/html"
    )  # the page


def test_many_thumbnails_come_in_one_answer_in_their_order(odd: Server) -> None:
    names = ["scan.tiff", "no such.png", "../secret.png", "plain.png", "/etc/passwd"]
    path = f"/thumbs/{searchers.key(odd.folder.resolve())}?"
    told = "&".join(f"t={odd.address('thumb', name).rsplit('/', 1)[-1]}." for name in names)
    status, headers, body = odd.get(path + told)
    found = json.loads(body)
    assert (status, headers["cache-control"]) == (200, "no-store")  # not all of them are there
    assert [one is not None for one in found] == [True, False, False, True, False]
    for name, one in zip(names, found, strict=True):
        alone = odd.get(odd.address("thumb", name))
        assert alone[0] == (404 if one is None else 200)
        assert one is None or base64.b64decode(one.removeprefix("data:image/jpeg;base64,")) == alone[2]
    stamped = address("thumb", "", "plain.png", searchers.searcher(odd.folder).snapshot().stamp("plain.png"))
    mark = stamped.rsplit("/", 1)[-1].replace("?v=", ".")
    for _ in range(2):  # from the table, and from memory
        status, headers, body = odd.get(f"{path}t={mark}")
        assert (status, json.loads(body)) == (200, [found[3]])
        assert "immutable" in headers["cache-control"]
    assert odd.get(path + "&".join([f"t={mark}"] * 201))[0] == 400
    assert json.loads(odd.get(f"{path}t=&t={mark}")[2]) == [None, found[3]]


def test_of_too_many_thumbnails_or_another_collection_none_comes(odd: Server) -> None:
    key = searchers.key(odd.folder.resolve())
    token = odd.address("thumb", "plain.png").rsplit("/", 1)[-1]
    assert odd.get(f"/thumbs/{key}")[0] == 400
    assert odd.get(f"/thumbs/{key}?" + "&".join([f"t={token}."] * 201))[0] == 400
    assert odd.get(f"/thumbs/000000000000?t={token}.")[0] == 404
    for wrong in ("not%20base64!", "", "..%2f..%2fsecret.png", "%00.1"):
        assert json.loads(odd.get(f"/thumbs/{key}?t={wrong}.1")[2]) == [None]


def test_a_huge_upload_is_refused(server: Server) -> None:
    flags = server_command(8501)
    assert flags[flags.index("--server.maxUploadSize") + 1] == str(LARGEST_UPLOAD)
    assert LARGEST_UPLOAD <= 100
    place = urlsplit(server.url)
    asked = [
        "PUT /_stcore/upload_file/some-session/some-file HTTP/1.1",
        f"Host: {place.netloc}",
        f"Content-Length: {(LARGEST_UPLOAD + 10) * 1024 * 1024}",
        "Content-Type: multipart/form-data; boundary=x",
    ]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as line:
        line.sendall(("\r\n".join(asked) + "\r\n\r\n").encode())  # and not one byte of the body
        assert 400 <= int(line.recv(64).split()[1]) < 500


def test_an_address_that_changes_with_the_picture_is_kept_for_long(server: Server) -> None:
    _, headers, _ = server.get(server.address("thumb", "red/red-03.png") + "?v=1-2")
    assert "immutable" in headers["cache-control"]


def test_only_the_loopback_address_answers(server: Server) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    # A server that listens on every address answers on 127.0.0.2, too.
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=5):
        pass


def test_the_by_hand_configuration_is_as_safe_as_the_command() -> None:
    flags = server_command(8501)
    given = dict(zip(flags[5::2], flags[6::2], strict=True))
    by_hand = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    for section, name in (("server", "address"), ("browser", "gatherUsageStats"), ("client", "showErrorDetails")):
        assert given[f"--{section}.{name}"] == str(by_hand[section][name]).replace("False", "false")
    assert by_hand["server"]["address"] == "127.0.0.1"
    assert by_hand["browser"]["gatherUsageStats"] is False
