"""Parses the query line that a person types.

    red car -snow "parking lot" folder:trips after:2024-01-01

    line       = item { space item }
    item       = [ "-" ] phrase | [ "-" ] concept | [ "-" ] filter | "-" "(" words ")" | "-" word | word
    phrase     = '"' words '"'                     the caption or the file name holds these words (or “…”, „…“)
    concept    = "concept:" name                   one that was kept (see `indexer.collection.concepts`); name may stand
    in quotes filter     = column operator value             as in `indexer.search.filters`, without spaces; value may
    stand in quotes
               | ( "after" | "before" ) ":" date   of the column `taken`: from that date on, before it
    operator   = ":" | "=" | "!=" | "<" | "<=" | ">" | ">="

Words describe what is looked for; a minus leads away from a word or from the words in parentheses, and turns a phrase
or a filter round. Only at the start of an item do these signs mean anything, so that sentences stay sentences:

- a hyphen inside or at the end of a word, a dash alone, and a minus before a digit are text: well-known, -5 degrees;
- a colon is text unless a column of the collection stands before it and a value right behind: time 12:30, note: red;
- a quotation mark that has no partner is text: a 12" record. Parentheses are text but for those after a minus, and
  such a one that is never closed is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import QueryError
from core.validation import TEXT, require
from indexer.search.filters import Condition, split

QUOTES = {'"': '"', "“": "”", "„": "“”"}
DATES = {"after": ">=", "before": "<"}
TAKEN = "taken"
_CONCEPT = re.compile(r'concept:(?:"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|(\S+))', re.IGNORECASE)
_PUNCTUATION = ",.;:!?"
_LIKE_A_FILTER = re.compile(r"[^\W\d]\w+(?::|[<>!]?=|[<>])[^\s:/=<>)(]")  # of a URL and of 12:30 it is none
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True)
class Line:
    """What a line says. `text` is the line itself where nothing in it has a meaning of its own."""

    text: str
    without: tuple[str, ...] = ()
    holding: tuple[str, ...] = ()
    not_holding: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    concepts: tuple[str, ...] = ()  # names
    not_concepts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # words that look like a filter and were taken as text

    @property
    def is_special(self) -> bool:
        """Whether anything in the line is more than words."""
        signs = self.without, self.holding, self.not_holding, self.where, self.concepts, self.not_concepts
        return any(signs)


@dataclass
class _Reader:
    line: str
    columns: Mapping[str, Any]
    at: int = 0
    words: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    not_holding: list[str] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)
    not_concepts: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def read(self) -> Line:
        while self.at < len(self.line):
            if self.line[self.at].isspace():
                self.at += 1
            else:
                self.item()
        line = Line(
            " ".join(self.words),
            tuple(self.without),
            tuple(self.holding),
            tuple(self.not_holding),
            tuple(self.where),
            tuple(self.concepts),
            tuple(self.not_concepts),
            tuple(self.doubts),
        )
        return line if line.is_special else replace(line, text=self.line)

    def item(self) -> None:
        minus = self.line[self.at] == "-"
        start = self.at + minus
        if not (
            self.phrase(start, minus)
            or self.concept(start, minus)
            or self.filter(start, minus)
            or (minus and self.away(start))
        ):
            self.word()

    def phrase(self, start: int, minus: bool) -> bool:
        """A quotation mark and its partner, which no letter follows."""
        if start == len(self.line) or self.line[start] not in QUOTES:
            return False
        partners = QUOTES[self.line[start]]
        for end in range(start + 1, len(self.line)):
            if self.line[end] in partners and not self.line[end + 1 : end + 2].isalnum():
                words = self.line[start + 1 : end].strip()
                if not any(char.isalnum() for char in words):
                    return False
                (self.not_holding if minus else self.holding).append(words)
                self.at = end + 1
                return True
        return False

    def concept(self, start: int, minus: bool) -> bool:
        """The name of a concept, with nothing between it and the colon."""
        end = _end_of_value(self.line, start)
        match = _CONCEPT.fullmatch(self.line[start:end])
        if match is None or "concept" in self.columns:
            return False
        name = next(part for part in match.groups() if part is not None).strip()
        if name:
            (self.not_concepts if minus else self.concepts).append(name)
            while self.line[end : end + 1] in (",", ";"):
                end += 1
            self.at = end
        return bool(name)

    def filter(self, start: int, minus: bool) -> bool:
        """A column, an operator and a value, with nothing between them."""
        end = _end_of_value(self.line, start)
        text = self.line[start:end]
        condition = _date(text, self.columns) or split(text, self.columns)
        if condition is None or condition.value == "" or re.match(rf"{re.escape(condition.column)}\s", text, re.I):
            return False
        self.where.append(replace(condition, operator=_OPPOSITE[condition.operator]) if minus else condition)
        while self.line[end : end + 1] in (",", ";"):  # a list, not a part of the value
            end += 1
        self.at = end
        return True

    def away(self, start: int) -> bool:
        """What stands behind a minus: words in parentheses, or one word."""
        if self.line[start : start + 1] == "(":
            end = _closing(self.line, start)
            if end is None:
                raise QueryError(
                    f"the parenthesis in {self.line[self.at :]!r} is not closed: write -(several words), or switch the "
                    "meaning of signs off with --plain"
                )
            words = self.line[start + 1 : end].strip()
            self.at = end + 1
        else:
            found = re.compile(r"[^\W\d_]\S*").match(self.line, start)
            words = found[0].rstrip(_PUNCTUATION) if found else ""
            if not words or words.endswith("-"):
                return False
            self.at = found.end() if found else start
            self.doubt(f"-{words}")
        if words:
            self.without.append(words)
        return True

    def doubt(self, word: str) -> None:
        """Remember a word that looks like a filter, so that a slip in the name of a column does not go unnoticed."""
        if _LIKE_A_FILTER.match(word.removeprefix("-")):
            self.doubts.append(word)

    def word(self) -> None:
        """Anything else, up to the next space."""
        found = re.compile(r"\S+").match(self.line, self.at)
        assert found is not None
        word = found[0]
        self.doubt(word)
        self.words.append(word)
        self.at = found.end()


def parse_line(line: str, columns: Mapping[str, Any]) -> Line:
    """What a line means in a collection with these columns. Raises `QueryError` for a parenthesis left open."""
    require("what a person typed", line, TEXT)
    return _Reader(line, columns).read()


def _end_of_value(line: str, start: int) -> int:
    """The end of a filter that begins at `start`: at a space that is not in quotes, or at a comma before it."""
    match = re.compile(r"""[^\s"“„]*(?:"[^"]*"|“[^”]*”|„[^“”]*[“”]|\S*)""").match(line, start)
    assert match is not None
    end = match.end()
    while end > start + 1 and line[end - 1] in ",;":
        end -= 1
    return end


def _date(text: str, columns: Mapping[str, Any]) -> Condition | None:
    """`after:DATE` and `before:DATE`."""
    match = re.match(r"(after|before):(\d\S*)", text, re.IGNORECASE)
    if match is None or TAKEN not in columns:
        return None
    return Condition(TAKEN, DATES[match[1].lower()], match[2])


def _closing(line: str, start: int) -> int | None:
    """Where the parenthesis that opens at `start` is closed."""
    depth = 0
    for place in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[place], 0)
        if depth == 0:
            return place
    return None
