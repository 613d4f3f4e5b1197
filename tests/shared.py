"""Where do the tests find the data and the golden numbers that are too large for this repository?

They lie in a folder `shared/` beside the checkout (or where CLIPDEX_SHARED points); a test that needs them skips with
a reason where they are absent.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("CLIPDEX_SHARED") or ROOT.parent / "shared").resolve()


def shared(*parts: str) -> Path:
    """The file or folder `shared/<parts>`; skips the calling test, or its whole module, where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs shared/{'/'.join(parts)} beside the checkout", allow_module_level=True)
    return path
