"""Reads a configuration of another project so that no field goes unnoticed.

Every option is taken by name and type; what nobody took is an error that names the nearest option known.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar

from core.errors import ModelError

T = TypeVar("T")
REQUIRED: Any = object()
MAX_BYTES = 16 * 1024 * 1024  # an index of shards names every tensor


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file. Raises `ModelError` when it is missing, damaged or no object."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ModelError(f"{path} is larger than {MAX_BYTES} bytes; it is not a configuration")
        value = json.loads(data)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no object of options")
    return value


class Fields:
    """The options of one part of a configuration. `where` names the place in messages."""

    def __init__(self, options: Any, where: str) -> None:
        if not isinstance(options, dict):
            raise ModelError(f"{where} is not an object of options")
        self.where = where
        self._left = dict(options)
        self._known: set[str] = set()

    def take(self, name: str, kind: type[T], default: Any = REQUIRED) -> T:
        """The option's value; `default` where it is absent or null. Whole numbers pass as floats, never as booleans."""
        self._known.add(name)
        value = self._left.pop(name, None)
        if value is None:
            if default is REQUIRED:
                raise ModelError(f"{self.where} leaves {name} open; it cannot be guessed")
            return default
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise ModelError(f"{self.where}: {name} is {value!r:.80}, not {kind.__name__}")
        return value

    def raw(self, name: str) -> Any:
        """The option's value as it is, None where it is absent."""
        self._known.add(name)
        return self._left.pop(name, None)

    def only(self, name: str, *allowed: Any, why: str) -> None:
        """Refuse any value of the option but the allowed ones; absent and null are allowed."""
        value = self.raw(name)
        if value is not None and value not in allowed:
            raise ModelError(f"{self.where}: {name} is {value!r:.80}; {why}")

    def choice(self, name: str, choices: dict[str, T], default: Any = REQUIRED) -> T:
        """What stands for the option's value in `choices`."""
        value = self.take(name, str, default)
        if value not in choices:
            raise ModelError(f"{self.where}: {name} is {value!r}; known are: {', '.join(choices)}")
        return choices[value]

    def harmless(self, *names: str) -> None:
        """Options that do not change what a trained model computes."""
        for name in names:
            self.raw(name)

    def done(self) -> None:
        """Raises `ModelError` for an option that nobody took."""
        for name in self._left:
            near = difflib.get_close_matches(name, sorted(self._known), n=1, cutoff=0.0)
            raise ModelError(f"{self.where} has an option unknown here, {name!r} (nearest known: {near[0]!r})")


def peek(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty where there is none."""
    try:
        return read_json(path)
    except ModelError:
        return {}
