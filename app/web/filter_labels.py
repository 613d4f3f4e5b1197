"""Words filters plainly: `folder=red` as "folder: red", `taken>=2011-01-01` as "after 2011-01-01"."""

from __future__ import annotations

import re

from indexer.search.query_parser import DATES, TAKEN

_CONDITION = re.compile(r"(-?)(\w+)(!=|>=|<=|=|>|<|:)(.+)", re.DOTALL)
_DATES = {operator: word for word, operator in DATES.items()}
_SIGNS = {"=": ":", ":": ":", "!=": ":", ">=": " ≥", "<=": " ≤", ">": " >", "<": " <"}


def filter_label(piece: str) -> str:
    """A piece of a line (`line_text.pieces`) as people say it; phrases and words stay as they are."""
    found = _CONDITION.fullmatch(piece)
    if found is None:
        return piece
    minus, column, operator, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if column == TAKEN and operator in _DATES and not minus:
        return f"{_DATES[operator]} {value}"
    return f"{'not ' if minus or operator == '!=' else ''}{column}{_SIGNS[operator]} {value}"
