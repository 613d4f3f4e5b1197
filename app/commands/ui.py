"""`clipdex ui [FOLDER…]`: how is the app started?

Streamlit runs in a process of its own, from the folder of `streamlit_app.py`. Safety is set here by flags, whatever
a person's own Streamlit configuration says: only this machine can reach it unless that was asked for twice, and then a
token is demanded; nothing is reported to anyone.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.gate import SHORTEST_TOKEN, TOKEN_VARIABLE, is_loopback

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "CLIPDEX_COLLECTION"  # tells the server its folders: a path, or several as a JSON list
LARGEST_UPLOAD = 50  # megabytes

Folders = Annotated[list[Path] | None, typer.Argument(help="One or several folders with a collection.")]


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
) -> None:
    """Serve the app to browsers on this machine, until Ctrl-C."""
    run(folders or [Path()], port, host=host, allow_remote=allow_remote, token=token)


def run(
    folders: Path | Sequence[Path], port: int, *, host: str = HOST, allow_remote: bool = False, token: str = ""
) -> None:
    """Serve the collections of the folders until Ctrl-C.

    Raises ConfigError when the port is taken, or when other machines could come in without having been asked.
    """
    import clipdex

    wanted = [folders] if isinstance(folders, Path) else list(folders)
    for folder in wanted:
        clipdex.open(folder).status()  # an error belongs here, on the command line, rather than in the browser
    token = needed_token(host, allow_remote, token)
    check_port(port, host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"clipdex is at {address}{f'/?token={token}' if token else ''}  (Ctrl-C stops it)", flush=True)
    places = [str(folder.expanduser().absolute()) for folder in wanted]
    environment = {**os.environ, VARIABLE: json.dumps(places), TOKEN_VARIABLE: token}
    with subprocess.Popen(server_command(port, host), cwd=ROOT, env=environment) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:  # the terminal has sent Ctrl-C to the server, too: let it finish
            code = server.wait()
    if code not in (0, -2, 130):
        raise typer.Exit(code=1)


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
        raise ConfigError(f"--host {host} is no address of this machine ({error.strerror})") from None
    except OSError as error:
        message = f"port {port} of {host} cannot be used ({error.strerror}): choose another with --port {port + 1}"
        raise ConfigError(message) from None
