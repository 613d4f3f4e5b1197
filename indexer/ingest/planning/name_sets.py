"""Compares large sets of names without keeping the names.

Sixteen bytes a name: a hash of eight, and the number of its row. Two of a billion different names share a hash with
a chance of three per cent.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable

import numpy as np


class NameSet:
    """A list of names, each with the number of its row."""

    def __init__(self) -> None:
        self._hashes, self._numbers = array("Q"), array("Q")

    def add(self, numbers: Iterable[int], names: Iterable[str]) -> None:
        for number, name in zip(numbers, names, strict=True):
            self._hashes.append(mark(name))
            self._numbers.append(number)

    @property
    def hashes(self) -> np.ndarray:
        return np.frombuffer(self._hashes, np.uint64) if self._hashes else np.empty(0, np.uint64)

    def repeated(self) -> list[int]:
        """The numbers of all rows but the first of each name."""
        _, first = np.unique(self.hashes, return_index=True)
        again = np.ones(len(self._hashes), bool)
        again[first] = False
        return self.where(again)

    def among(self, *others: NameSet) -> list[int]:
        """The numbers of the rows whose name is in all the others."""
        return self.where(self._in_all(others))

    def absent(self, *others: NameSet) -> list[int]:
        """The numbers of the rows whose name is missing in any of the others."""
        return self.where(~self._in_all(others))

    def _in_all(self, others: tuple[NameSet, ...]) -> np.ndarray:
        found = np.ones(len(self._hashes), bool)
        for other in others:
            found &= np.isin(self.hashes, other.hashes)
        return found

    def where(self, chosen: np.ndarray) -> list[int]:
        """The numbers of some of the rows, (n,) bool."""
        return [self._numbers[place] for place in np.flatnonzero(chosen)]


def mark(name: str) -> int:
    """Eight bytes of a hash as a number."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
