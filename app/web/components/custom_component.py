"""Mounts our own components from their HTML, CSS and JavaScript files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent


@cache
def component(name: str, *before: str) -> Any:
    """What mounts the component `name`; the files of scripts that its own needs come `before` it."""

    def read(file: str) -> str:
        return (_HERE / file).read_text(encoding="utf-8")

    scripts = "\n".join(read(script) for script in (*before, f"{name}.js"))
    return st.components.v2.component(f"clipdex_{name}", html=read(f"{name}.html"), css=read(f"{name}.css"), js=scripts)


def on_report(key: str, what: str, then: Callable[[Any], object]) -> None:
    """Do something with what the component reported (in its callback)."""
    if (value := st.session_state[key].get(what)) is not None:
        then(value)
