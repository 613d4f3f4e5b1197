"""The environment variables through which `clipdex ui` configures the server."""

from __future__ import annotations

import ipaddress
from pathlib import Path

VARIABLE = "CLIPDEX_COLLECTION"  # tells the server its folders: a path, or several as a JSON list
FOLDERS_VARIABLE = "CLIPDEX_FOLDERS"  # a JSON list of the folders that may be indexed from the browser
TOKEN_VARIABLE = "CLIPDEX_TOKEN"  # noqa: S105 - the name of a variable; its value is never in a command line
LARGEST_UPLOAD = 50  # megabytes


def is_around(folder: Path) -> bool:
    """Whether there is a collection in a folder or above it. One that is damaged counts: that is to be said."""
    from indexer.collection.collection import FOLDER, INFO

    return any((place / FOLDER).is_dir() or (place / INFO).is_file() for place in (folder, *folder.parents))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: whatever it means now, it can mean something else tomorrow
        return False
