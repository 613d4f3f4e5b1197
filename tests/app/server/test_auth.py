"""Who may talk to the server?  Asked over HTTP and as a WebSocket, with and without the token."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

import pytest

import clipdex
from app.cli.commands.ui import address, needed_token
from app.settings import is_loopback
from core.errors import ConfigError
from tests.app.conftest import Server, free_port, serve, wait_for
from tests.shared import ROOT

TOKEN = "a token, odd & long"
SOCKET = "/_stcore/stream"
pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def guarded(collection: Path) -> Iterator[Server]:
    """A server that demands a token."""
    yield from serve(collection, token=TOKEN)


def ask(server: Server, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of one request; no redirect is followed."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, named)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def handshake(server: Server, **headers: str) -> int:
    """The status with which the pages' WebSocket answers; 101 opens it."""
    place = urlsplit(server.url)
    asked = {
        "Host": place.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    lines = [f"GET {SOCKET} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items())]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(line.recv(64).split()[1])


def cookie(server: Server) -> str:
    status, headers = ask(server, f"/?q=red&token={quote_plus(TOKEN)}")
    assert (status, headers["location"]) == (303, "/?q=red")
    given = headers["set-cookie"]
    assert "httponly" in given.lower()
    assert "samesite=lax" in given.lower()
    return given.split(";")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/map",
        "/thumb",
        "/thumbs",
        "/image",
        "/tiles",
        "/_stcore/health",
        "/_stcore/host-config",
        "/media/x",
        "/static/x",
    ],
)
def test_without_the_token_nothing_is_answered(guarded: Server, path: str) -> None:
    if path in ("/thumb", "/thumbs", "/image", "/tiles"):
        path = guarded.address(path[1:], "red/red-03.png")
    assert ask(guarded, path)[0] == 401
    assert ask(guarded, f"{path}?token=wrong")[0] == 403
    assert ask(guarded, path, Cookie="clipdex_12345678=wrong")[0] == 401
    assert ask(guarded, path, "PUT", "x")[0] == 401


def test_the_token_opens_pages_pictures_and_the_websocket(guarded: Server) -> None:
    assert handshake(guarded) == 403
    kept = cookie(guarded)
    assert ask(guarded, "/", Cookie=kept)[0] == 200
    assert ask(guarded, guarded.address("thumb", "red/red-03.png"), Cookie=kept)[0] == 200
    assert handshake(guarded, Cookie=kept) == 101
    assert handshake(guarded, Cookie=kept + "0") == 403


def test_the_token_can_be_typed_into_a_form(guarded: Server) -> None:
    kind = "application/x-www-form-urlencoded"
    status, headers = ask(guarded, "/describe?c=1", "POST", f"token={quote_plus(TOKEN)}", Content_Type=kind)
    assert (status, headers["location"]) == (303, "/describe?c=1")
    assert ask(guarded, "/", Cookie=headers["set-cookie"].split(";")[0])[0] == 200
    assert ask(guarded, "/", "POST", "token=wrong", Content_Type=kind)[0] == 403
    assert ask(guarded, "/", "POST", "token=" + "x" * 10_000, Content_Type=kind)[0] == 403


def test_the_token_leads_to_no_other_server(guarded: Server) -> None:
    status, headers = ask(guarded, f"//evil.example/?token={quote_plus(TOKEN)}")
    assert (status, headers["location"]) == (303, "/evil.example/")


def test_a_page_of_another_site_opens_no_websocket(server: Server) -> None:
    here = urlsplit(server.url).netloc
    assert handshake(server) == 101
    assert handshake(server, Origin=f"http://{here}") == 101
    assert handshake(server, Origin="http://evil.example") == 403
    assert handshake(server, Origin="null") == 403
    # A site whose name was made to point here (DNS rebinding): its pages and their socket name it.
    assert handshake(server, Host="evil.example", Origin="http://evil.example") == 403
    assert ask(server, "/", Host="evil.example")[0] == 403
    assert ask(server, "/", Host=here)[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost.evil.example"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_page_of_another_site_sends_nothing(server: Server, method: str, origin: str) -> None:
    for path in (server.address("tiles", "x").rsplit("/", 1)[0], "/_stcore/upload_file/a/b", "/"):
        assert ask(server, path, method, "[]", Origin=origin)[0] == 403
    tiles = server.address("tiles", "x").rsplit("/", 1)[0]
    assert ask(server, tiles, "POST", "[]", Origin=server.url)[0] == 200


@pytest.mark.parametrize("path", ["/", "/describe", "/no-such-page", "/_stcore/health", "/thumb", "/tiles/x"])
def test_no_other_site_shows_a_page_in_a_frame_or_guesses_what_an_answer_is(server: Server, path: str) -> None:
    if path == "/thumb":
        path = server.address("thumb", "red/red-03.png")
    headers = ask(server, path)[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] in ("DENY", "SAMEORIGIN")
    assert (
        "default-src 'none'" in headers["content-security-policy"]
        or "frame-ancestors 'self'" in (headers["content-security-policy"])
    )
    assert "access-control-allow-origin" not in headers


def test_a_thumbnail_in_memory_is_behind_the_token_too(guarded: Server) -> None:
    item = "red/red-03.png"
    kept = cookie(guarded)
    place = guarded.address("thumb", item)
    tiles = "/tiles/" + place.split("/")[2]
    stamp = clipdex.open(guarded.folder).snapshot().stamp(item)
    assert ask(guarded, tiles, "POST", f'["{item}"]', Cookie=kept)[0] == 200  # reads it into memory
    status, headers = ask(guarded, f"{place}?v={stamp}", Cookie=kept)
    assert (status, "etag" in headers) == (200, False)  # from memory: what comes from the table has a tag
    assert "immutable" in headers["cache-control"]
    assert headers["content-type"] in ("image/webp", "image/jpeg")
    assert ask(guarded, f"{place}?v={stamp}")[0] == 401
    assert ask(guarded, f"{place}?v={stamp}", Cookie=kept + "0")[0] == 401
    assert "etag" in ask(guarded, f"{place}?v=another", Cookie=kept)[1]


def test_other_machines_are_let_in_only_when_asked_for_and_with_a_token() -> None:
    assert needed_token("127.0.0.1", False, "") == ""
    assert needed_token("::1", False, "") == ""
    for host in ("0.0.0.0", "::", "192.168.1.7", "example.org", ""):
        with pytest.raises(ConfigError, match="add --allow-remote"):
            needed_token(host, False, "")
        assert len(needed_token(host, True, "")) >= 32
        assert needed_token(host, True, "") != needed_token(host, True, "")
    assert needed_token("0.0.0.0", True, "sixteen letters!") == "sixteen letters!"
    with pytest.raises(ConfigError, match="the token has 5 characters: use at least 16"):
        needed_token("0.0.0.0", True, "short")


@pytest.mark.parametrize(
    ("host", "reached_by_this_machine_only"),
    [
        *(("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("", False)),
    ],
)
def test_what_counts_as_this_machine(host: str, reached_by_this_machine_only: bool) -> None:
    assert is_loopback(host) is reached_by_this_machine_only


def test_a_server_on_all_addresses_says_one_that_can_be_typed_and_asks_nothing_of_the_network(
    collection: Path, tmp_path: Path
) -> None:
    (tmp_path / ".clipdex").mkdir()
    (tmp_path / ".clipdex" / "collection.json").write_text("{")
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as proxy:  # sees whatever would be asked
        where = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), where)
        options = ["--port", str(port), "--host", "0.0.0.0", "--allow-remote"]
        with subprocess.Popen(
            [sys.executable, "-c", "from app.cli import main; main()", "ui", str(tmp_path), str(collection), *options],
            cwd=ROOT,
            env={**os.environ, **proxies, "CLIPDEX_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            finally:
                os.killpg(process.pid, signal.SIGINT)
            assert process.stdout is not None
            told = process.stdout.read().decode()
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert re.findall(r"http://\S+", told) == [address("0.0.0.0", port, TOKEN)]
    assert f"/?token={quote(TOKEN)}" in told
    assert "0.0.0.0" not in told
    assert "Not opened: " in told
    assert str(tmp_path) in told


def test_the_address_that_is_said_can_be_typed() -> None:
    assert address("127.0.0.1", 8501) == "http://127.0.0.1:8501"
    assert address("::1", 8501, "a&b") == "http://[::1]:8501/?token=a%26b"
    for everywhere in ("0.0.0.0", "::"):
        assert urlsplit(address(everywhere, 8501)).hostname not in ("0.0.0.0", "::")
