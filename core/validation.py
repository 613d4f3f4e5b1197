"""Checks the types of what callers pass in.

Python lets anything be passed anywhere; what is of a wrong type is told in one line here, before it is worked with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from core.errors import ClipdexError, QueryError

Types = type | tuple[type, ...]
TEXT: tuple[Types, str] = (str, "text")
FLAG: tuple[Types, str] = (bool, "True or False")
PATH: tuple[Types, str] = ((str, Path), "a path or a name")
WHOLE: tuple[Types, str] = (Integral, "a whole number")
NUMBER: tuple[Types, str] = (Real, "a number")
LONGEST = 60  # characters of what was given that are told


def require(
    what: str, given: Any, of: tuple[Types, str], *, none: bool = False, error: type[ClipdexError] = QueryError
) -> None:
    """Raises `error` unless what was given is of the types in `of`, or None where that is well. True and False are no
    numbers."""
    types, said = of
    if given is None and none:
        return
    if not isinstance(given, types) or (isinstance(given, bool) and types is not bool):
        raise error(f"{what} must be {said}, not {described(given)}")


def require_many(what: str, given: Any, example: str) -> Sequence[Any]:
    """Several of something as a list. Raises `QueryError` for one alone: text would be taken letter by letter."""
    if isinstance(given, str | bytes | bytearray) or not isinstance(given, Iterable):
        raise QueryError(f"{what} are several, in a list such as {example}, not {described(given)}")
    return list(given)


def check_weight(weight: Any) -> None:
    """Raises `QueryError` for what is no weight of a part of a query."""
    require("a weight", weight, NUMBER)
    if not math.isfinite(weight) or weight == 0:
        raise QueryError(f"a weight must be a finite number other than 0, not {weight}")


def described(given: Any) -> str:
    """What was given, in a few characters of one line."""
    shown = " ".join(repr(given).split())
    kind = type(given).__name__
    if len(shown) <= LONGEST and not shown.startswith("<"):
        return shown if given is None or isinstance(given, bool) else f"{shown} ({kind})"
    return f"something of the type {kind}"
