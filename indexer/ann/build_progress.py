"""Reports the progress of an index build in steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What begins now."""

    number: int  # the first is 1
    of: int  # as far as known: a further kind of index that has to be tried adds some
    message: str

    def __str__(self) -> str:
        return f"step {self.number} of {self.of}: {self.message}"


class Steps:
    """Counts steps, and tells of each that begins."""

    def __init__(self, tell: Callable[[Step], None] | None) -> None:
        self._tell = tell or (lambda step: None)
        self._begun = self._expected = 0

    def expect(self, count: int) -> None:
        """So many more are to come."""
        self._expected += count

    def begin(self, message: str) -> None:
        """The next one begins."""
        self._begun += 1
        self._tell(Step(self._begun, self._expected, message))
