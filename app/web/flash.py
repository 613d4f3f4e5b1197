"""Shows the outcome of a button at the next rerun."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.web.components.markdown import as_text
from core.errors import ClipdexError

_TOLD = "done-told"


def attempt(act: Callable[[], str], icon: str) -> bool:
    """Do something (in a callback) and remember the words that it returns, or its problem; whether it went well."""
    try:
        remember(act(), icon)
    except ClipdexError as error:
        remember(str(error), "error")
        return False
    return True


def remember(words: str, icon: str) -> None:
    """Keep words to be told; none to tell nothing."""
    st.session_state[_TOLD] = (words, icon) if words else None


def tell() -> None:
    """Tell what is to be told, once."""
    if told := st.session_state.pop(_TOLD, None):
        st.toast(as_text(told[0]), icon=f":material/{told[1]}:")


def pictures(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"
