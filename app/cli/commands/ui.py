"""`clipdex ui [FOLDER…]`: starts the web app.

Streamlit runs in a process of its own, from the folder of `streamlit_app.py`. Safety is set here by flags, whatever
a person's own Streamlit configuration says: only this machine can reach it unless that was asked for twice, and then a
token is demanded; nothing is reported to anyone.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from app.library import recent_collections
from app.server.auth import SHORTEST_TOKEN
from app.settings import FOLDERS_VARIABLE, LARGEST_UPLOAD, TOKEN_VARIABLE, VARIABLE, is_around, is_loopback

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[3]
# All addresses of this machine -> one of another machine (of those for examples, which nobody has).
EVERYWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}

Folders = Annotated[
    list[str] | None,
    typer.Argument(help="Folders with a collection, or collections in an object store (s3://…); else the one here."),
]
AllowFolders = Annotated[
    list[Path] | None,
    typer.Option("--allow-folders", help="Index from the browser only what lies in this folder; may be given again."),
]

AllowNetwork = Annotated[
    list[str] | None,
    typer.Option(help="With --allow-urls, fetch from a network at home, too: 192.168.1.0/24; may be given again."),
]


def command(
    folders: Folders = None,
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="The port to listen on.")] = 8501,
    host: Annotated[str, typer.Option(help="The address to listen on; another machine needs --allow-remote.")] = HOST,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in that know the token.")
    ] = False,
    token: Annotated[
        str, typer.Option(envvar=TOKEN_VARIABLE, help="The token they must know; without it one is made up.")
    ] = "",
    allow_folders: AllowFolders = None,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Fetch images to search with from URLs on the internet.")
    ] = False,
    allow_network: AllowNetwork = None,
) -> None:
    """Serve the app to browsers on this machine, until Ctrl-C."""
    run(
        folders or [],
        port,
        host=host,
        allow_remote=allow_remote,
        token=token,
        allow_folders=allow_folders or [],
        urls=urls_allowed(allow_urls, allow_network or []),
    )


def run(
    folders: Path | Sequence[str | Path],
    port: int,
    *,
    host: str = HOST,
    allow_remote: bool = False,
    token: str = "",
    allow_folders: Sequence[Path] = (),
    urls: str = "",
    remember: bool = True,
) -> None:
    """Serve the collections of the folders, or the one around the current folder, and those that were opened in the
    browser before, until Ctrl-C; without `remember` these are neither read nor written.

    Where there is none, the first page asks which folder to index; of several, the Library shows what is wrong with one
    that cannot be opened. Raises ConfigError when the port is taken, or when other machines could come in without
    having been asked, and ClipdexError when no collection can be opened.
    """
    wanted = [str(folders)] if isinstance(folders, Path) else [str(folder) for folder in folders]
    if not wanted and is_around(Path.cwd()):
        wanted = ["."]
    readable = [_readable(folder) for folder in allow_folders]
    token = needed_token(host, allow_remote, token)
    check_port(port, host)
    remembered = str(recent_collections.file() or "") if remember else ""  # in full: the server works in another folder
    told_server = environment(wanted, token, readable, urls) | {recent_collections.VARIABLE: remembered}
    with subprocess.Popen(server_command(port, host), cwd=ROOT, env=told_server) as server:
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # who ends this ends the server, too
        try:
            try:
                told = _check_collections(wanted)  # while the server starts
            except BaseException:
                server.terminate()
                raise
            print(f"clipdex is at {address(host, port, token)}  (Ctrl-C stops it)", flush=True)
            for problem in told:
                print(problem, flush=True)
            if not wanted:
                print(_begins_with(remember), flush=True)
            code = server.wait()
        except KeyboardInterrupt:  # the terminal has sent Ctrl-C to the server, too: let it finish
            code = server.wait()
    if code not in (0, -signal.SIGINT, -signal.SIGTERM, 130):
        raise typer.Exit(code=1)


def _begins_with(remember: bool) -> str:
    """What a server shows that was started without a collection."""
    if remember and (problem := recent_collections.problem()):
        return problem
    if remember and recent_collections.remembered_places():
        return "There is no collection here: it shows those that were opened in the browser before."
    return "There is no collection here: its first page asks for a folder to index."


def _check_collections(wanted: Sequence[str]) -> list[str]:
    """A line about each collection that cannot be opened. Raises ClipdexError where that is all of them."""
    import clipdex
    from app.cli.output import printable
    from core.errors import ClipdexError

    problems: list[ClipdexError] = []
    for folder in wanted:
        try:
            clipdex.open(folder).snapshot()
        except ClipdexError as error:
            problems.append(error)
    if problems and len(problems) == len(wanted):
        raise problems[0]  # an error belongs here, on the command line, rather than in the browser
    return [printable(f"Not opened: {error}") for error in problems]


def environment(
    wanted: Sequence[str | Path], token: str = "", readable: Sequence[str] = (), urls: str = ""
) -> dict[str, str]:
    """What the server finds in its environment: this program's, its collections, and what it may read."""
    from app.server.remote_image import URLS_VARIABLE

    places = [str(one) if "://" in str(one) else str(Path(one).expanduser().absolute()) for one in wanted]
    told = {VARIABLE: json.dumps(places), TOKEN_VARIABLE: token, FOLDERS_VARIABLE: json.dumps(list(readable))}
    return {**os.environ, **told, URLS_VARIABLE: urls}


def address(host: str, port: int, token: str = "") -> str:
    """What to type into a browser. For a server on all addresses, the one that others of its network know it by."""
    if host in EVERYWHERE:
        host = _known_as(EVERYWHERE[host])
    query = f"/?token={quote(token, safe='')}" if token else ""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{query}"


def _known_as(elsewhere: str) -> str:
    """This machine's address toward the rest of its network. Nothing is sent: connecting UDP only asks for the way."""
    with socket.socket(socket.AF_INET6 if ":" in elsewhere else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
        except OSError:  # no network
            return "localhost"


def _readable(folder: Path) -> str:
    from core.errors import ConfigError

    place = folder.expanduser().absolute()
    if not place.is_dir():
        raise ConfigError(f"--allow-folders {folder}: there is no such folder")
    return str(place)


def urls_allowed(is_allowed: bool, named: Sequence[str]) -> str:
    """What tells the server which URLs it may fetch images from. Raises ConfigError."""
    from app.server.remote_image import networks
    from core.errors import ConfigError

    if named and not is_allowed:
        raise ConfigError("--allow-network says which network to fetch images from as well: add --allow-urls")
    networks(named)
    return json.dumps(list(named)) if is_allowed else ""


def needed_token(host: str, allow_remote: bool, token: str) -> str:
    """The token to demand; empty for a server that only this machine can reach. Raises ConfigError."""
    from core.errors import ConfigError

    if token and len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"the token has {len(token)} characters: use at least {SHORTEST_TOKEN}, or let one be made up"
        )
    if is_loopback(host):
        return token
    if not allow_remote:
        raise ConfigError(
            f"--host {host} lets other machines in: if that is meant, add --allow-remote; they will need a token"
        )
    return token or secrets.token_urlsafe(24)


def server_command(port: int, host: str = HOST) -> list[str]:
    """The command that starts Streamlit."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        # Its banner would ask a server of Amazon's for this machine's address on the internet.
        "logger.hideWelcomeMessage": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": LARGEST_UPLOAD,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": "app/theme.toml",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *flags]


def check_port(port: int, host: str = HOST) -> None:
    """Raise ConfigError when another program listens on the port, or the address is not this machine's."""
    from core.errors import ConfigError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server will: a port that is only waiting out an old connection is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise ConfigError(f"--host {host} is not an address of this machine ({error.strerror})") from None
    except OSError as error:
        message = f"port {port} of {host} cannot be used ({error.strerror}): choose another with --port {port + 1}"
        raise ConfigError(message) from None
