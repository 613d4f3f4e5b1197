"""The pages of the app: one file each, one line each in this registry.

A page has no `icon`: Streamlit makes the browser fetch Material icons for its tab from a server of Google's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

PAGES: tuple[dict[str, Any], ...] = (
    {"page": _HERE / "search.py", "title": "Search", "default": True},
    {"page": _HERE / "describe.py", "title": "Describe"},
    {"page": _HERE / "map.py", "title": "Map"},
    {"page": _HERE / "duplicates.py", "title": "Duplicates"},
    {"page": _HERE / "collection.py", "title": "Collection"},
    {"page": _HERE / "failures.py", "title": "Not readable", "visibility": "hidden"},
    {"page": _HERE / "library.py", "title": "Library"},
)
