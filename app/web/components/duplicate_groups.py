"""Shows groups of near-duplicates side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app.formatting import format_size, sendable
from app.server.addresses import address
from app.web import state, url_state
from app.web.components.custom_component import component, on_report
from app.web.components.grid import show_thumbnail
from app.web.components.markdown import as_text

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

_KEY = "groups"
_MOST_COPIES = 60  # of one group; further ones are counted


@dataclass(frozen=True)
class Shown:
    """A group as it is shown: its number among all, the copies, which of them is kept, and why."""

    number: int
    ids: Sequence[str]
    keep: str
    why: str


def show(snapshot: Snapshot, groups: Sequence[Shown], on_keep: Callable[[int, str], None]) -> None:
    """The groups, each a row of its copies; a click opens one large, a button chooses which to keep."""
    if url_state.plain():
        _show_plain(snapshot, groups, on_keep)
        return
    with state.errors_in_place():
        key = state.key()
    listed = [
        {
            "number": group.number,
            "keep": group.keep,
            "why": sendable(group.why),
            "copies": [
                {"id": one, "thumb": address("thumb", key, one, snapshot.stamp(one)), **_text(snapshot, one)}
                for one in group.ids[:_MOST_COPIES]
            ],
        }
        for group in groups
    ]
    state.warm_thumbnails([one for group in groups for one in group.ids[:_MOST_COPIES]])
    component("duplicate_groups")(
        key=_KEY,
        data={"groups": listed},
        on_opened_change=lambda: on_report(_KEY, "opened", lambda one: url_state.open_item(str(one))),
        on_keep_change=lambda: on_report(_KEY, "keep", lambda pair: on_keep(int(pair[0]), str(pair[1]))),
    )


def _text(snapshot: Snapshot, item: str) -> dict[str, str]:
    """Name, folder and numbers of a copy."""
    row = snapshot.images.slice(snapshot.rows[item], 1).to_pylist()[0]
    where, _, name = item.rpartition("/")
    facts = [f"{row['width']} × {row['height']}"] if row["width"] else []
    facts += [format_size(row["size"])] if row["size"] is not None else []
    facts += [row["format"]] if row.get("format") else []
    facts += [f"{row['modified']:%d %B %Y}"] if row.get("modified") else []
    return {"name": sendable(name), "where": sendable(where), "facts": " · ".join(facts)}


def _show_plain(snapshot: Snapshot, groups: Sequence[Shown], on_keep: Callable[[int, str], None]) -> None:
    for group in groups:
        st.markdown(f"**{len(group.ids)} images** · {as_text(group.why)}")
        columns = st.columns(max(2, min(4, len(group.ids))))
        for place, one in enumerate(group.ids[:_MOST_COPIES]):
            with columns[place % len(columns)]:
                show_thumbnail(one)
                text = _text(snapshot, one)
                st.caption(f"{as_text(text['name'])}  \n{as_text(text['facts'])}")
                with st.container(horizontal=True):
                    st.button("Open", key=f"open-{group.number}-{one}", on_click=url_state.open_item, args=(one,))
                    if one == group.keep:
                        st.caption("keep")
                    else:
                        st.button("Keep", key=f"keep-{group.number}-{one}", on_click=on_keep, args=(group.number, one))
