"""Is a printed answer the one that was promised?  What a model computes differs a little between processors.

Scores may differ by 0.005 and percentages by 0.5, the bar behind a percentage follows it, and two lines of an answer
may change places if their promised numbers are not farther apart than that. All else must be as promised. Another one
at the end of the list is another answer, too, so documents show lists that end before a clear gap.
"""

from __future__ import annotations

import doctest
import re
from decimal import Decimal

RULES = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
DOCTEST = doctest.OutputChecker()
# With a point or a sign of percent, and no part of a name or a version.
NUMBER = re.compile(r"(?<![\w./-])-?(?:\d+\.\d+(?: ?%)?|\d+ ?%)(?!\w|\.\d)")
RANK = re.compile(r"\d+ (?=-?\d+\.\d)")
BAR = re.compile(r" █*$")
LONGEST_STEP = 1  # characters of a bar, for half of a percent


class Checker(doctest.OutputChecker):
    """Compares the answers of a Python session on a page."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return agrees(want, got)


def agrees(promised: str, got: str) -> bool:
    """Whether the page tells the truth; `...` stands for what differs from run to run."""
    if DOCTEST.check_output(promised, got, RULES):
        return True
    wanted, came = lines(promised), lines(got)
    if [rank for rank, _ in wanted] != [rank for rank, _ in came]:
        return False
    left = list(range(len(came)))
    for place, (_, want) in enumerate(wanted):
        fits = [other for other in left if tied(want, wanted[other][1], place == other) and same(want, came[other][1])]
        if not fits:
            return False
        left.remove(place if place in fits else fits[0])
    return True


def lines(text: str) -> list[tuple[str, str]]:
    """(rank, what stands behind it) of each line; most have no rank."""
    tidy = [" ".join(line.split()) for line in text.splitlines()]
    ranks = [RANK.match(line) for line in tidy]
    return [(rank[0], line[rank.end() :]) if rank else ("", line) for rank, line in zip(ranks, tidy, strict=True)]


def tied(line: str, other: str, is_itself: bool) -> bool:
    """Whether an answer of the one line may stand at the place of the other one."""
    first, second = NUMBER.match(line), NUMBER.match(other)
    return is_itself or (first is not None and second is not None and near(first[0], second[0]))


def same(want: str, line: str) -> bool:
    """Whether two lines say the same, with numbers that are near."""
    if DOCTEST.check_output(want + "\n", line + "\n", RULES):
        return True
    bars = [len(found[0]) if (found := BAR.search(text)) else 0 for text in (want, line)]
    want, line = BAR.sub("", want), BAR.sub("", line)
    return (
        abs(bars[0] - bars[1]) <= LONGEST_STEP + (0 in bars)  # with the space before it
        and NUMBER.sub("0", want) == NUMBER.sub("0", line)
        and all(near(*pair) for pair in zip(NUMBER.findall(want), NUMBER.findall(line), strict=True))
    )


def near(number: str, other: str) -> bool:
    """Whether two numbers are as near as those of two processors; one that shows fewer digits is rounded, too."""
    if number.endswith("%") != other.endswith("%"):
        return False
    first, second = (Decimal(text.rstrip(" %")) for text in (number, other))
    digits = max(len(text.rstrip(" %").partition(".")[2]) for text in (number, other))
    if number.endswith("%"):
        most = Decimal("0.5") if digits else Decimal(1)
    else:
        most = Decimal("0.005") if digits > 2 else Decimal("0.01")
    return abs(first - second) <= most
