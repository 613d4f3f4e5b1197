"""What may be fetched from the web, and what not?  Asked of a server on this machine, which is allowed for that."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from app.server import remote_image
from app.web.pages.search import WITHOUT_URLS
from core.errors import ConfigError, ImageError, QueryError
from tests.app.conftest import paint
from tests.app.web.test_pages import chip, opened, param, shown, tiles

HERE = [ipaddress.ip_network("127.0.0.0/8")]


class Web(BaseHTTPRequestHandler):
    """A web site with an image, and with what it takes to misuse who asks for it."""

    picture = b""
    asked: list[str] = []  # of all requests

    def do_GET(self) -> None:
        Web.asked.append(f"{self.headers['Host']}{self.path}")
        where = self.path.partition("?")[0]
        moved = {
            "/moved": "/red.png",
            "/loop": "/loop",
            "/inside": "http://10.0.0.1/",
            "/metadata": "http://169.254.169.254/latest/meta-data/",
            "/file": "file:///etc/passwd",
            "/secret": "http://name:word@127.0.0.1/",
            "/nowhere": "http://[",
        }.get(where)
        if moved is not None:
            self._say(302, b"", Location=moved)
        elif where == "/red.png":
            self._say(200, Web.picture)
        elif where == "/page":
            self._say(200, b"<html>no image</html>")
        elif where == "/declared":
            self._say(200, b"", **{"Content-Length": str(10**12)})
        elif where == "/endless":
            self._say(200, b"", Connection="close")
            try:
                for _ in range(remote_image.LARGEST // 65_536 + 20):
                    self.wfile.write(bytes(65_536))
            except OSError:
                pass  # who asked has hung up, as hoped
        elif where == "/slow":
            self._say(200, b"", Connection="close")
            try:
                for _ in range(300):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                pass
        else:
            self._say(404, b"")

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the web site, without the scheme."""
    place = tmp_path_factory.mktemp("web") / "red.png"
    paint(place, "red", 1)
    Web.picture = place.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_picture_comes_as_it_is_also_by_a_redirect(web: str) -> None:
    for place in ("red.png", "moved", "red.png?size=big&name=ä ö".replace(" ", "%20")):
        found = remote_image.picture(f"http://{web}/{place}", HERE)
        assert (found.url, found.content) == (f"http://{web}/{place}", Web.picture)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0", "0.0.0.0", "localhost", "localhost."),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[2001:0:7f00:1::1]", "[2001:db8::1]"),
    ],
)
def test_no_machine_but_those_of_the_public_internet_is_asked(address: str, web: str) -> None:
    before = len(Web.asked)
    port = web.rpartition(":")[2]
    with pytest.raises(QueryError, match=r"not on the public internet|no server named"):
        remote_image.picture(f"http://{address}:{port}/red.png")
    assert len(Web.asked) == before


def test_public_addresses_are_public() -> None:
    for address in ("8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"):
        assert remote_image.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("inside", "10.0.0.1 is not on the public internet"),
        ("metadata", "169.254.169.254 is not on the public internet"),
        ("file", "only http:// and https://"),
        ("secret", "contains a user name or a password"),
        ("nowhere", "does not lead to a valid URL"),
        ("loop", "leads from one address to the next"),
        ("none", "answered 404"),
        ("declared", "larger than 25 MB"),
        ("endless", "larger than 25 MB"),
    ],
)
def test_what_leads_elsewhere_or_is_too_much_is_refused(place: str, message: str, web: str) -> None:
    with pytest.raises(QueryError, match=message):
        remote_image.picture(f"http://{web}/{place}", HERE)


def test_what_is_no_picture_is_refused(web: str) -> None:
    with pytest.raises(ImageError):
        remote_image.picture(f"http://{web}/page", HERE)


def test_a_server_that_drips_is_left_in_time(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_image, "LONGEST", 0.5)
    start = time.monotonic()
    with pytest.raises(QueryError, match="took longer than"):
        remote_image.picture(f"http://{web}/slow", HERE)
    assert time.monotonic() - start < 20  # the whole of it takes thirty seconds


def test_the_machine_that_was_checked_is_the_one_that_is_asked(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose meaning changes after the first look (DNS rebinding) is looked up once."""
    looked_up: list[str] = []
    really = socket.getaddrinfo

    def changing(host: str, port: object, *rest: object, **more: object) -> object:
        if host != "rebinding.example":
            return really(host, port, *rest, **more)  # type: ignore[arg-type]
        looked_up.append(host)
        machine = "127.0.0.1" if len(looked_up) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (machine, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    port = web.rpartition(":")[2]
    assert remote_image.picture(f"http://rebinding.example:{port}/red.png", HERE).content == Web.picture
    assert looked_up == ["rebinding.example"]
    assert Web.asked[-1] == f"rebinding.example:{port}/red.png"


def test_one_address_that_is_not_public_among_several_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (machine, 0)) for machine in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: both)
    with pytest.raises(QueryError, match=r"127.0.0.1, which is not"):
        remote_image.picture("http://both.example/")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.com/a.png", "only http"),
        ("http://", "not a valid URL"),
        ("http://example.com:99999/", "not a valid URL"),
        ("http://user:word@example.com/a.png", "a user name or a password"),
        ("http://example.com/" + "a" * 3000, "3,019 characters"),
        ("http://169.254.169.254/a.png", "^169.254.169.254 is not on the public internet"),
        ("http://[::1]/a.png", "^::1 is not on the public internet"),
        ("http://no-such-name.invalid/a.png", "no server named"),
    ],
)
def test_what_is_no_address_is_said(url: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        remote_image.picture(url)


def test_nothing_is_allowed_unless_the_server_was_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for told, meant in (("", None), ("[]", []), ('["192.168.1.0/24"]', [ipaddress.ip_network("192.168.1.0/24")])):
        monkeypatch.setenv(remote_image.URLS_VARIABLE, told)
        assert remote_image.allowed() == meant
    with pytest.raises(ConfigError, match=r"name a network such as 192.168.1.0/24"):
        remote_image.networks(["everything"])
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    assert not remote_image.is_address(str(tmp_path / "a.png"))
    assert remote_image.is_address("HTTPS://example.com/a.png")


# --- in the app ------------------------------------------------------------------------------------------------------


def test_a_typed_address_is_searched_with_where_that_is_allowed(
    web: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(remote_image.URLS_VARIABLE, '["127.0.0.0/8"]')
    address = f"http://{web}/red.png"
    app = opened(collection, monkeypatch).run()
    app.text_input(key="q").set_value(f"{address} card").run()
    assert not app.exception
    assert (param(app, "q"), param(app, "url")) == ("card", address)
    assert "card · Similar to red\\.png" in shown(app)
    assert tiles(app)[0].startswith("red/")
    asked = len(Web.asked)
    chip(app, "image from 127\\.0\\.0\\.1")  # and it can be taken away again
    app.run()
    assert len(Web.asked) == asked  # it is kept
    for place, said in (("page", "not an image"), ("none", "answered 404"), ("inside", "not on the public internet")):
        app.text_input(key="q").set_value(f"http://{web}/{place}").run()
        assert not app.exception
        assert said in app.error[0].value.replace("\\", "") or place == "page"
        chip(app, "image from 127\\.0\\.0\\.1")


def test_new_words_go_on_without_an_address_that_was_refused(
    web: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(remote_image.URLS_VARIABLE, '["127.0.0.0/8"]')
    app = opened(collection, monkeypatch).run()
    app.text_input(key="q").set_value(f"http://{web}/inside").run()
    assert "not on the public internet" in app.error[0].value
    app.text_input(key="q").set_value("green").run()
    assert not app.error
    assert "url" not in app.query_params
    assert tiles(app)[0].startswith("green/")


def test_an_address_with_a_password_gets_into_no_url(
    web: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(remote_image.URLS_VARIABLE, '["127.0.0.0/8"]')
    asked = len(Web.asked)
    app = opened(collection, monkeypatch).run()
    app.text_input(key="q").set_value(f"green http://user:word@{web}/red.png").run()
    assert not app.exception
    assert "a user name or a password" in app.error[0].value
    assert "word" not in str(dict(app.query_params))
    assert len(Web.asked) == asked
    app.text_input(key="q").set_value(f"http://{web}/red.png").run()
    assert not app.error
    assert tiles(app)[0].startswith("red/")


def test_a_link_that_somebody_made_fetches_nothing_before_a_click(
    web: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(remote_image.URLS_VARIABLE, '["127.0.0.0/8"]')
    asked = len(Web.asked)
    app = opened(collection, monkeypatch)
    app.query_params["url"] = f"http://{web}/red.png"
    app.run()
    assert len(Web.asked) == asked
    app.button(key="fetch").click().run()
    assert len(Web.asked) == asked + 1
    assert tiles(app)[0].startswith("red/")


def test_without_leave_an_address_gets_one_clear_line(
    web: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(remote_image.URLS_VARIABLE, "")
    asked = len(Web.asked)
    app = opened(collection, monkeypatch).run()
    app.text_input(key="q").set_value(f"http://{web}/red.png").run()
    assert not app.exception
    assert [info.value for info in app.info] == [WITHOUT_URLS]
    app.text_input(key="q").set_value("red").run()
    assert tiles(app)[0].startswith("red/")
    assert len(Web.asked) == asked
