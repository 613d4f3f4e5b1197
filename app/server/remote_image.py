"""Fetches the image at a URL, and nothing else.

Only where the server was started to allow it, and only from the public internet. A name is looked up once; all of its
addresses must be public; and what is connected to is the address that was checked, so that a name that means another
machine a moment later (DNS rebinding) is of no use. A redirect is checked as the first address was. What comes back is
bounded in size and time, and is an image or an error.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from core.errors import ConfigError, QueryError
from core.image.decode import open_image

URLS_VARIABLE = "CLIPDEX_URLS"  # whether to fetch images: a JSON list of networks beyond the internet; or empty
LARGEST = 25_000_000  # bytes
LONGEST = 20.0  # seconds, for all of it but the look-up of the name, which has the system's own limit
MOST_REDIRECTS = 5
LONGEST_ADDRESS = 2_000  # characters
CHUNK = 65_536
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
_STEERING = re.compile(r"[\x00-\x20\x7f]")

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Fetched:
    """An image from the web, as it came."""

    url: str
    content: bytes

    @property
    def name(self) -> str:
        """What people call it: the last part of the address."""
        parts = urlsplit(self.url)
        return unquote(parts.path.rstrip("/").rsplit("/", 1)[-1]) or str(parts.hostname)


def is_address(word: str) -> bool:
    """Whether a word of a query is the address of something on the web."""
    return _ADDRESS.fullmatch(word) is not None


def allowed() -> list[Network] | None:
    """The networks beyond the public internet that may be asked; None where nothing may."""
    told = os.environ.get(URLS_VARIABLE, "")
    return networks(json.loads(told)) if told else None


def networks(named: Sequence[str]) -> list[Network]:
    """`192.168.1.0/24` and the like. Raises `ConfigError` for what is none."""
    try:
        return [ipaddress.ip_network(one) for one in named]
    except ValueError as error:
        raise ConfigError(f"{error}: name a network such as 192.168.1.0/24") from None


def picture(url: str, also: Sequence[Network] = ()) -> Fetched:
    """The image at a URL, from the public internet or the networks `also`.

    Raises `QueryError`, or `ImageError` where what is there is no image."""
    end, asked = time.monotonic() + LONGEST, url
    for _ in range(MOST_REDIRECTS + 1):
        parts = _checked(url)
        status, location, content = _get(parts, _addresses(parts, also), end)
        if location is None:
            if status != 200:
                raise QueryError(f"{parts.hostname} has no image there: it answered {status}")
            open_image(content)  # what the server says that it is counts for nothing
            return Fetched(asked, content)
        try:
            url = urljoin(url, location)
        except ValueError as error:
            raise QueryError(f"{parts.hostname} does not lead to a valid URL: {error}") from None
    raise QueryError(f"{_host(asked)} leads from one address to the next, more than {MOST_REDIRECTS} times")


# --- may it be asked? ------------------------------------------------------------------------------------------------


def _checked(url: str) -> SplitResult:
    """The parts of an address that may be asked, its host aside."""
    if len(url) > LONGEST_ADDRESS:
        raise QueryError(f"the address has {len(url):,} characters; at most {LONGEST_ADDRESS:,} are asked for")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise QueryError(f"{url:.80} is not a valid URL: {error}") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise QueryError(f"only http:// and https:// URLs are fetched, not {parts.scheme or 'none'}://")
    if parts.username is not None or parts.password is not None:
        raise QueryError("the URL contains a user name or a password: remove them")
    if not parts.hostname or port == 0 or _STEERING.search(url):
        raise QueryError(f"{url:.80} is not a valid URL")
    return parts


def refusal(url: str) -> str:
    """Why an address will not be asked, whatever it leads to; empty where it may be."""
    try:
        _checked(url)
    except QueryError as error:
        return str(error)
    return ""


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _addresses(parts: SplitResult, also: Sequence[Network]) -> list[IP]:
    """The machines that a host's name means, all of them public. `0x7f.1`, `2130706433` and the like are names here:
    the system says what they mean, and that is what is checked."""
    host = parts.hostname or ""
    try:
        name = host.encode("idna").decode("ascii") if not host.isascii() else host
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise QueryError(f"there is no server named {host!r:.80}, or no network") from None
    machines = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for machine in machines:
        if not (is_public(machine) or any(machine.version == one.version and machine in one for one in also)):
            means = host if host in (str(machine), f"[{machine}]") else f"{host} is {machine}, which"
            raise QueryError(f"{means} is not on the public internet: images from there are not fetched")
    return list(dict.fromkeys(machines))


def is_public(machine: IP) -> bool:
    """Whether an address is one of the public internet: neither private, loopback, link-local, shared, reserved nor for
    many, nor an IPv6 address that stands for an IPv4 one."""
    if isinstance(machine, ipaddress.IPv6Address):
        stands_for_another = machine.ipv4_mapped or machine.sixtofour or machine.teredo
        if stands_for_another or any(machine in network for network in _NAT64) or machine.is_site_local:
            return False
    refused = machine.is_private or machine.is_reserved or machine.is_multicast or machine.is_unspecified
    return machine.is_global and not (refused or machine.is_loopback or machine.is_link_local)


# --- asking ----------------------------------------------------------------------------------------------------------


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the host's name means by now."""

    def __init__(self, parts: SplitResult, machine: IP, seconds: float) -> None:
        self._machine, self._is_safe = str(machine), parts.scheme.lower() == "https"
        super().__init__(parts.hostname or "", parts.port or (443 if self._is_safe else 80), timeout=seconds)
        self.default_port = 443 if self._is_safe else 80  # decides whether the header `Host` names the port
        self.is_late = False

    def connect(self) -> None:
        plain = socket.create_connection((self._machine, self.port), self.timeout)
        safe = ssl.create_default_context() if self._is_safe else None
        self.sock = plain if safe is None else safe.wrap_socket(plain, server_hostname=self.host)
        self._line = self.sock  # `sock` is given up while an answer is still being read

    def hang_up(self) -> None:
        """End it, whatever is being waited for; from another thread."""
        self.is_late = True
        with suppress(OSError, AttributeError):  # it has just ended by itself, or has not begun
            self._line.shutdown(socket.SHUT_RDWR)


def _get(parts: SplitResult, machines: Sequence[IP], end: float) -> tuple[int, str | None, bytes]:
    """Status, where a redirect leads, and the content, of the first of the machines that can be reached."""
    problem: Exception | None = None
    for machine in machines:
        left = end - time.monotonic()
        if left <= 0:
            problem = None
            break
        connection = _Connection(parts, machine, left)
        # A server that sends a byte now and then never runs into a time limit of single reads.
        watch = threading.Timer(left, connection.hang_up)
        watch.start()
        try:
            return _answer(connection, parts)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = error
        finally:
            watch.cancel()
            connection.close()
        if connection.is_late:
            problem = None
            break
    if problem is None:
        raise QueryError(f"{parts.hostname} took longer than {LONGEST:.0f} seconds")
    raise QueryError(f"{parts.hostname} cannot be reached, or does not answer as a web server: {problem}")


def _answer(connection: _Connection, parts: SplitResult) -> tuple[int, str | None, bytes]:
    where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "clipdex"}
    connection.request("GET", _ascii(where), headers=headers)
    answer = connection.getresponse()
    location = answer.getheader("Location")
    if answer.status in (301, 302, 303, 307, 308) and location:
        return answer.status, location, b""
    if answer.status != 200:
        return answer.status, None, b""
    declared = answer.getheader("Content-Length") or ""
    pieces, size = list[bytes](), int(declared) if declared.isascii() and declared.isdigit() else 0
    if size <= LARGEST:
        size = 0
        while size <= LARGEST and (piece := answer.read(CHUNK)):
            pieces.append(piece)
            size += len(piece)
    if size > LARGEST:
        raise QueryError(f"what {parts.hostname} has there is larger than {LARGEST // 1_000_000} MB")
    if connection.is_late:
        raise TimeoutError
    return 200, None, b"".join(pieces)


def _ascii(where: str) -> str:
    return quote(where, safe="/%:=&?~#+!$,;'@()*[]")
