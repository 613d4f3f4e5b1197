"""Adds tags to images and removes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import streamlit as st

from app.web import state
from app.web.components.markdown import as_text
from app.web.flash import attempt, pictures
from indexer.collection.snapshot import row_of

MOST_OFFERED = 1_000  # tags to choose from
MOST_SHOWN = 30  # tags of the images, to be taken from them


Asked: TypeAlias = Callable[[], Sequence[str]]


def editor(asked: Asked, name: str) -> None:
    """New tags to give, and those that the images have, to take away. The keys of its widgets begin with `name`.

    `asked` says which images, and is asked again when something is done: a selection may have changed by then.
    """
    with state.errors_in_place():
        ids = asked()
        every = list(state.searcher().tags())[:MOST_OFFERED]
        have = _counts(ids)
    one = len(ids) == 1
    st.html(f"<style>{_style()}</style>")
    with st.container(key=f"{name}-tagging"):
        if have:
            _given(asked, have, name, one)
        st.multiselect(
            f"Tags to give {'it' if one else 'them'}",
            sorted((tag for tag in every if have[tag] < len(ids)), key=str.casefold),
            key=f"{name}-new",
            accept_new_options=True,
            # Enter takes the first that is offered: no other than what was typed, unless that is how it begins.
            filter_mode="prefix",
            select_all=False,
            placeholder="Add a tag",
            label_visibility="collapsed",
            on_change=_add,
            args=(asked, f"{name}-new"),
        )


@cache
def _style() -> str:
    return (Path(__file__).parent / "tag_editor.css").read_text(encoding="utf-8")


def _given(asked: Asked, have: Counter[str], name: str, one: bool) -> None:
    """A button for each tag that the images have, which takes it away."""
    with st.container(horizontal=True, key=f"{name}-tags"):
        for tag, count in have.most_common(MOST_SHOWN):
            st.button(
                as_text(tag) if one else f"{as_text(tag)} :gray[{count:,}]",
                icon=":material/close:",
                icon_position="right",
                key=f"{name}-tag-{tag}",
                help=f"Take this tag from {'it' if one else pictures(count)}",
                on_click=_remove,
                args=(asked, tag),
            )
        if len(have) > MOST_SHOWN:
            st.caption(f"and {len(have) - MOST_SHOWN:,} more", width="content")


def _counts(ids: Sequence[str]) -> Counter[str]:
    """The tags of some images, and how many have each. Raises `QueryError` for one that has gone."""
    snapshot = state.searcher().snapshot()
    rows = [row_of(snapshot, one) for one in ids]
    return Counter(snapshot.images["tags"].combine_chunks().take(rows).flatten().to_pylist())


def _add(asked: Asked, key: str) -> None:
    names = list(st.session_state.get(key, ()))

    def act() -> str:
        changed = state.searcher().tag(asked(), add=names)
        return f"{pictures(changed)} tagged {', '.join(names)}" if changed else "They have these tags already"

    if names:
        attempt(act, "sell")
        st.session_state[key] = []


def _remove(asked: Asked, tag: str) -> None:
    attempt(lambda: f"{tag} taken from {pictures(state.searcher().tag(asked(), remove=tag))}", "sell")
