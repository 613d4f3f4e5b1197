"""`clipdex ui [FOLDER]`: how is the app started?

Streamlit runs in a process of its own, from the folder of `streamlit_app.py`. Safety is set here by flags, whatever
a person's own Streamlit configuration says: only this machine can reach it, and nothing is reported to anyone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands import Folder

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "CLIPDEX_COLLECTION"  # tells the server its folder


def command(
    folder: Folder = Path(),
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="The port to listen on.")] = 8501,
) -> None:
    """Serve the app to browsers on this machine, until Ctrl-C."""
    run(folder, port)


def run(folder: Path, port: int) -> None:
    """Serve the collection of `folder` until Ctrl-C. Raises ConfigError when the port is taken."""
    import clipdex

    clipdex.open(folder).status()  # an error belongs here, on the command line, rather than in the browser
    check_port(port)
    print(f"clipdex is at http://{HOST}:{port}  (Ctrl-C stops it)", flush=True)
    environment = {**os.environ, VARIABLE: str(folder.expanduser().absolute())}
    with subprocess.Popen(server_command(port), cwd=ROOT, env=environment) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:  # the terminal has sent Ctrl-C to the server, too: let it finish
            code = server.wait()
    if code not in (0, -2, 130):
        raise typer.Exit(code=1)


def server_command(port: int) -> list[str]:
    """The command that starts Streamlit."""
    options = {
        "server.address": HOST,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": "app/theme.toml",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", *flags]


def check_port(port: int) -> None:
    """Raise ConfigError when another program listens on the port."""
    from core.errors import ConfigError

    with socket.socket() as probe:
        # As the server will: a port that is only waiting out an old connection is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = f"port {port} cannot be used ({error.strerror}): choose another with --port {port + 1}"
            raise ConfigError(message) from None
