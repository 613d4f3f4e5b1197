"""Writes a query as one line, the way back from `query_parser`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexer.search.filters import Condition
from indexer.search.query_parser import Line

_NEEDS_QUOTES = re.compile(r"[\s,;“„]")
SHOWN = {("tags", "="): "tag:", ("tags", "!="): "-tag:", ("excluded", "="): "excluded:"}  # as people write these
ANY_NUMBER = ("tags",)  # columns of which an image may meet several conditions
_PLAIN_WORD = re.compile(r"[^\W\d_]\w*")


def written(line: Line) -> str:
    """A line that `query_line.read` understands as this one."""
    parts = [line.text] if line.text else []
    parts += [_quoted(phrase) for phrase in line.holding]
    parts += [f"-{_quoted(phrase)}" for phrase in line.not_holding]
    parts += [f"-{words}" if _PLAIN_WORD.fullmatch(words) else f"-({words})" for words in line.without]
    parts += [f"concept:{_value(name)}" for name in line.concepts]
    parts += [f"-concept:{_value(name)}" for name in line.not_concepts]
    parts += [str(condition_text(condition)) for condition in line.where]
    return " ".join(parts)


def condition_text(condition: Condition) -> str:
    """A condition as it stands in a line."""
    column = SHOWN.get((condition.column, condition.operator), condition.column + condition.operator)
    return column + _value(str(condition.value))


def _value(text: str) -> str:
    return f'"{text}"' if _NEEDS_QUOTES.search(text) else text


def pieces(line: Line) -> Iterator[tuple[str, Line]]:
    """Everything in a line beyond its words: how it is written, and the line without it."""
    for phrase in line.holding:
        yield _quoted(phrase), replace(line, holding=_but(line.holding, phrase))
    for phrase in line.not_holding:
        yield f"-{_quoted(phrase)}", replace(line, not_holding=_but(line.not_holding, phrase))
    for words in line.without:
        yield f"-{words}", replace(line, without=_but(line.without, words))
    for name in line.concepts:
        yield f"concept:{_value(name)}", replace(line, concepts=_but(line.concepts, name))
    for name in line.not_concepts:
        yield f"-concept:{_value(name)}", replace(line, not_concepts=_but(line.not_concepts, name))
    for condition in line.where:
        kept = tuple(one for one in line.where if one is not condition)
        yield condition_text(condition), replace(line, where=kept)


def narrowed(line: Line, condition: Condition) -> Line:
    """The line with a condition in place of those that it has for the same column; a further one for tags."""
    kept = tuple(one for one in line.where if one.column != condition.column or one.column in ANY_NUMBER)
    return replace(line, where=(*kept, condition))


def _but(texts: tuple[str, ...], left_out: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text != left_out)


def _quoted(phrase: str) -> str:
    return f"“{phrase}”" if '"' in phrase else f'"{phrase}"'
