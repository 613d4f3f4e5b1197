"""How does a test stop a run dead at any of its writes?"""

from __future__ import annotations

import os
from typing import Any

import pytest


class Killed(BaseException):
    """The run stops dead here."""


class Dying:
    """Functions that write, each of which may die before it does anything and after it has."""

    left = -1  # how many of these moments go well before that one; never where it is negative

    def replace(self, monkeypatch: pytest.MonkeyPatch, owner: Any, *names: str) -> None:
        """Let functions of a module or a class die so."""
        for name in names:
            monkeypatch.setattr(owner, name, self._of(getattr(owner, name)))

    def moments(self, step: int) -> range:
        """Every so many of the moments, or all of them where there is time."""
        return range(0, 1000, 1 if os.environ.get("CLIPDEX_SLOW") else step)

    def _of(self, function: Any) -> Any:
        def write(*arguments: Any, **named: Any) -> Any:
            value = None
            for act in (lambda: None, lambda: function(*arguments, **named)):
                if self.left == 0:
                    raise Killed
                self.left -= 1
                value = act()
            return value

        return write
