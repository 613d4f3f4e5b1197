"""The tree of expected errors.

Every expected problem is a `ClipdexError`; its message says what happened, with values, and what to do.
The library raises, the edges (command line, app) print. Anything else is a bug and keeps its traceback.

    ClipdexError
    ├── ConfigError          an option, a recipe or a configuration does not make sense
    ├── ModelError           a model is unknown, incomplete, damaged or of another kind
    ├── ImageError           an image cannot be read; `reason` is a short fixed word
    ├── SourceError          a folder to index is missing, unreadable or suddenly empty
    ├── CollectionError      no collection here, a damaged one, or one from a newer version
    │   └── WrongModelError  the collection was made by another model
    ├── QueryError           a search that cannot be answered as asked
    ├── DataError            training or evaluation data that cannot be used
    ├── TrainingError        a training run cannot go on: its numbers are not numbers any more
    └── MissingExtraError    an optional package is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClipdexError(Exception):
    """Root of every expected problem."""


class ClipdexWarning(UserWarning):
    """Something is not as it should be, and the work went on all the same; the command line prints it as a note."""


class ConfigError(ClipdexError):
    """An option, a recipe or a configuration does not make sense."""


class ModelError(ClipdexError):
    """A model is unknown, incomplete, damaged or of another kind."""


class ImageError(ClipdexError):
    """An image cannot be read. `reason` is the word under which failures are counted."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceError(ClipdexError):
    """A folder to index is missing, unreadable or suddenly empty."""


class CollectionError(ClipdexError):
    """There is no collection here, or it is damaged, or a newer version made it."""


class WrongModelError(CollectionError):
    """The collection was made by another model; vectors of two models never meet."""


class QueryError(ClipdexError):
    """A search that cannot be answered as asked."""


class DataError(ClipdexError):
    """Training or evaluation data that cannot be used."""


class TrainingError(ClipdexError):
    """A training run cannot go on: its numbers are not numbers any more."""


class MissingExtraError(ClipdexError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: pip install 'clipdex[{extra}]'")


def unknown_choice(what: str, given: str, choices: Iterable[str]) -> str:
    """A sentence for an unknown name that lists the known ones, nearest first."""
    known = sorted(choices)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.4)
    ordered = near + [name for name in known if name not in near]
    return f"unknown {what} {given!r}; choose one of: {', '.join(ordered)}"
