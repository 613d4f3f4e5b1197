"""What does every benchmark leave behind?  A table on the screen, and numbers with their targets in a JSON file."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Target:
    """A number that should be at least, or at most, a bound."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def record(self) -> dict[str, Any]:
        bounds = {"at_least": self.at_least, "at_most": self.at_most}
        return {
            "name": self.name,
            "value": round(self.value, 5),
            **{name: bound for name, bound in bounds.items() if bound is not None},
            "met": self.met,
        }


def with_table(page: str, mark: str, table: str) -> str:
    """The text of a page with a table between `<!-- MARK -->` and the next `<!-- end -->`."""
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    page, count = marks.subn(lambda found: found[1] + table + found[2], page)
    assert count == 1, f"the page has {count} places for the table {mark}"
    return page


def publish(name: str, numbers: dict[str, Any], targets: list[Target], *, processor: str | None = None) -> None:
    """Print the numbers and targets as a table and write them to `results/<name>.json`.

    With the class of a `processor` the numbers of earlier runs on other classes stay in the file, under `processors`.
    """
    width = max(len(key) for key in [*numbers, *(target.name for target in targets)])
    for key, value in numbers.items():
        print(f"{key:{width}}  {value:.4g}" if isinstance(value, float) else f"{key:{width}}  {value}")
    for target in targets:
        bound = f">= {target.at_least}" if target.at_least is not None else f"<= {target.at_most}"
        print(f"{target.name:{width}}  {target.value:.4g}  {bound}  {'met' if target.met else 'MISSED'}")
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    record = {"machine": machine, "numbers": numbers, "targets": [target.record() for target in targets]}
    RESULTS.mkdir(exist_ok=True)
    if processor is not None:
        record["processors"] = {**recorded(name).get("processors", {}), processor: numbers}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def recorded(name: str) -> dict[str, Any]:
    """What the last run left; empty before the first one."""
    file = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found
