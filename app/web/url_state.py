"""Reads and writes the state that lives in the URL.

Reload, back, forward and sharing work because all of it is in the URL: `q` words with conditions, `like` and `not`
items to go toward and away from, `part` of an item, `url` of an image on the web, `sort`, `group` which near-
duplicates take one place and `open` those that are shown, `tiles` whether parts of images count, `item` the one seen
large, `n` how many are shown, `c` which collection. Only an uploaded image, which no URL can hold, lives in the
session. Each function that changes the view is a callback, which runs before the page does, and one step for the back
button.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import streamlit as st

from app.library import searchers
from app.server.remote_image import is_address, refusal
from app.web import state
from app.web.search_service import PageQuery
from indexer.dedup.duplicate_rule import KINDS, Kind
from indexer.search.query import Box

KEPT = ("c", "plain")  # what stays in the URL whatever is asked
PAGE_SIZE = 60
MOST_SHOWN = 3000
MOST_EXAMPLES = 20
DATE = "date"

Value: TypeAlias = str | Sequence[str]


def asked() -> PageQuery | None:
    """What this view looks for; None for the start screen."""
    upload = state.picture()
    question = PageQuery(
        text=words(),
        like=_several("like"),
        unlike=_several("not"),
        parts=tuple(part for text in _several("part") if (part := _part(text)) is not None),
        picture=upload[1] if upload else None,
        picture_name=upload[0] if upload else "",
        by_date=st.query_params.get("sort") == DATE,
        group=group(),
        tiles=st.query_params.get("tiles") == "1",
    )
    return question if question.is_asked or url() else None


def words() -> str:
    """The words in the URL."""
    return str(st.query_params.get("q", "")).strip()


def url() -> str:
    """The address of an image on the web; empty for none."""
    return str(st.query_params.get("url", "")).strip()


def group() -> Kind | None:
    """Which near-duplicates take one place among the results."""
    told = st.query_params.get("group")
    return next((kind for kind in KINDS if kind == told), None)


def unfolded() -> tuple[str, ...]:
    """The items whose near-duplicates are shown beside them."""
    return _several("open") if group() else ()


def plain() -> bool:
    """Whether the native widgets are wanted instead of the components: `?plain=1`."""
    return st.query_params.get("plain") == "1"


def item() -> str:
    """The item that is seen large; empty for none."""
    return str(st.query_params.get("item", ""))


def fill_box() -> None:
    """Put the URL's words into the text box when they are not the ones typed there: after back, forward or a link.

    Streamlit's own binding of a widget to the URL leaves no steps for the back button.
    """
    told = st.query_params.get("q", "")
    if "q" not in st.session_state or st.session_state.get("told") != told:
        st.session_state["q"] = st.session_state["told"] = told


# --- steps -----------------------------------------------------------------------------------------------------------


def on_text() -> None:
    """New words; what else is asked stays. A URL among them is an image."""
    typed = str(st.session_state.get("q", "")).split()
    addresses = [word for word in typed if is_address(word)]
    if not addresses:
        kept = "" if state.is_lost(url()) else url()
        change(q=str(st.session_state.get("q", "")).strip(), url=kept)
        return
    if problem := refusal(addresses[0]):  # it may hold a password: that belongs in no URL
        state.refuse(problem)
        return
    state.want(addresses[0])
    change(q=" ".join(word for word in typed if word not in addresses), url=addresses[0])


def fetch() -> None:
    """Ask the web for the image that the URL names."""
    state.want(url())


def drop_url() -> None:
    """Without the image from the web."""
    change(url="")


def on_picture() -> None:
    """An uploaded image; what else is asked stays."""
    if state.picture() is not None:
        change()


def drop_picture() -> None:
    """Without the uploaded image."""
    state.forget_picture()
    change()


def start(text: str = "") -> None:
    """Look for words and nothing else; no words: the start screen."""
    state.forget_picture()
    _go({"q": text.strip()})


def ask_like(item_id: str) -> None:
    """Look for images like one of the collection and nothing else."""
    state.forget_picture()
    _go({"like": item_id})


def ask_part(item_id: str, box: Sequence[float]) -> None:
    """Look for images like a part of one of the collection and nothing else."""
    state.forget_picture()
    _go({"part": ",".join(f"{min(max(side, 0), 1):.3f}" for side in box) + f",{item_id}"})


def forget_part(item_id: str) -> None:
    """Without the parts of an item."""
    kept = [text for text in _several("part") if (part := _part(text)) is not None and part[0] != item_id]
    change(part=kept)


def _part(text: str) -> tuple[str, Box] | None:
    """An item and a box as `ask_part` writes them."""
    *sides, item_id = text.split(",", 4)
    try:
        left, top, right, bottom = (float(side) for side in sides)
    except ValueError:
        return None
    return item_id, (left, top, right, bottom)


def toward(items: Sequence[str]) -> None:
    """More like these."""
    change(like=_with("like", items), **{"not": _without("not", items)})


def away(items: Sequence[str]) -> None:
    """Less like these."""
    change(like=_without("like", items), **{"not": _with("not", items)})


def forget_example(name: str, item_id: str) -> None:
    """One example fewer; `name` is `like` or `not`."""
    change(**{name: _without(name, [item_id])})


def open_item(item_id: str) -> None:
    """See one item large."""
    _go({**_present(), "item": item_id})


def unfold(item_id: str) -> None:
    """Show the near-duplicates of an item beside it, or hide them again."""
    shown_now = unfolded()
    kept = [one for one in shown_now if one != item_id]
    _go({**_present(), "open": kept if item_id in shown_now else [*kept, item_id]})


def close_item() -> None:
    """Back to the grid."""
    _go({**_present(), "item": ""})


def ask_folder(place: Path) -> None:
    """Go to the start screen of another collection."""
    state.forget_picture()
    _go({"c": searchers.key(place)})


def change(**view: Value) -> None:
    """Ask something else: what is named changes, the rest stays, and the results are seen from the first one."""
    _go({**_present(), "item": "", "n": "", "open": "", **view})


# --- how many ----------------------------------------------------------------------------------------------------


def shown_count() -> int:
    """How many hits are shown: what the URL says, or as far as this session has scrolled."""
    text = st.query_params.get("n", "")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else PAGE_SIZE
    scrolled = st.session_state.get("scrolled")
    if scrolled is not None and scrolled[0] == _question():
        wanted = max(wanted, scrolled[1])
    return max(1, min(wanted, MOST_SHOWN))


def show_more() -> None:
    """Show another page of hits below, and keep that in the URL."""
    _go({**_present(), "n": str(min(shown_count() + PAGE_SIZE, MOST_SHOWN))})


def scroll_on() -> None:
    """Show many more hits below; no step for the back button."""
    st.session_state["scrolled"] = (_question(), min(shown_count() * 3 + PAGE_SIZE, MOST_SHOWN))


def go_past(item_id: str) -> None:
    """See the hit that comes after the last one that is shown: more are searched for, and `arrive` opens it."""
    scroll_on()
    st.session_state["past"] = item_id
    st.rerun()  # the whole page, though what asked is a dialog, which runs alone otherwise


def arrive(shown_ids: Sequence[str]) -> None:
    """Open the hit to which `go_past` leads, if there is one (while the page runs)."""
    past = st.session_state.pop("past", None)
    if past == item() and past in shown_ids[:-1]:
        st.query_params["item"] = shown_ids[shown_ids.index(past) + 1]


def _question() -> tuple[tuple[str, tuple[str, ...]], ...]:
    names = sorted(set(st.query_params) - {"item", "n", "open"})
    return tuple((name, tuple(st.query_params.get_all(name))) for name in names)


# --- the URL ---------------------------------------------------------------------------------------------------------


def _several(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in st.query_params.get_all(name) if one))[:MOST_EXAMPLES]


def _with(name: str, items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*_several(name), *items]))[-MOST_EXAMPLES:]


def _without(name: str, items: Sequence[str]) -> list[str]:
    return [one for one in _several(name) if one not in items]


def _present() -> dict[str, Value]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _go(view: dict[str, Value]) -> None:
    """Make the URL say what is seen now, all at once: one step for the back button."""
    kept = {name: value for name in KEPT if (value := str(st.query_params.get(name, "")))}
    wanted = {**kept, **view}
    st.query_params.from_dict({name: value for name, value in wanted.items() if value})
    if words() != st.session_state.get("q", ""):
        st.session_state["q"] = st.session_state["told"] = words()
