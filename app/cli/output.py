"""Prints results for people and for programs.

At a terminal: aligned, coloured, names made safe. Elsewhere: plain lines that `cut` and `xargs` can use. With
`--json`: one object, nothing else on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.formatting import is_match

if TYPE_CHECKING:
    from rich.console import Console

    from clipdex import Hit


def fail(message: str, prefix: str = "error: ") -> int:
    """Print a problem as one line on stderr; return the exit code that goes with it."""
    note(message, prefix)
    return 2


def note(message: str, prefix: str = "note: ") -> None:
    """Print one line on stderr."""
    print(prefix + printable(" ".join(message.split())), file=sys.stderr)


def printable(text: str) -> str:
    """The text without control characters: a file name must not be able to steer the terminal.
    `app.cli.image_arguments` reads it back; bytes of a name that are not UTF-8 stdout writes as they were."""
    from core.escaping import escape_line

    return escape_line(text)


def console(*, stderr: bool = False) -> Console:
    """A rich console that neither highlights numbers nor reads markup out of file names."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object; letters outside ASCII stay letters, bytes that are not text are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    print(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def print_hits(hits: Sequence[Hit], *, texts: bool = False) -> None:
    """Hits, best first. At a terminal: rank, score, path, caption; elsewhere `score<TAB>path` (or the caption).

    A list that nothing ranks has no scores: the first column is empty then, and at a terminal it is not there."""
    if sys.stdout.isatty():
        _print_for_people(hits, texts)
        return
    for hit in hits:
        score = f"{hit.score:.4f}" if is_ranked(hit) else ""
        print(f"{score}\t{_one_line(hit.caption or '') if texts else shown_path(hit)}")


def _print_for_people(hits: Sequence[Hit], texts: bool) -> None:
    from rich.text import Text

    out = console()
    width = len(str(hits[-1].rank)) if hits else 1
    for number, hit in enumerate(hits):
        if number and not is_match(hit) and is_match(hits[number - 1]):
            out.print(Text("── from here on, nothing clearly matches", style="dim"))
        line = Text()
        line.append(f"{hit.rank:>{width}}  ", style="dim")
        if is_ranked(hit):
            line.append(f"{hit.score:.3f}  ", style="cyan")
        caption, path = _one_line(hit.caption or ""), shown_path(hit)
        if texts:
            line.append(caption).append(f"  {path}", style="dim")
        else:
            line.append(path).append(f"  {caption}" if caption else "", style="dim")
        if hit.box is not None:
            line.append("  in " + ",".join(f"{side:.2f}" for side in hit.box), style="dim")
        if len(hit.parts) > 1:
            shown = ", ".join(f"{_one_line(label)} {score:.3f}" for label, score in hit.parts.items())
            line.append(f"  ({shown})", style="dim cyan")
        out.print(line)


def is_ranked(hit: Hit) -> bool:
    """Whether something was looked for; conditions alone give a list by name, without scores."""
    return bool(hit.parts)


def nothing_matches(hits: Sequence[Hit]) -> bool:
    """Whether the best hit of all is there and no match."""
    return bool(hits) and hits[0].rank == 1 and not is_match(hits[0])


def print_csv(hits: Sequence[Hit]) -> None:
    """A table with commas: a row of names, then one for each hit; the score of each part of the query comes last."""
    import csv

    rows = [hit_as_dict(hit) for hit in hits]
    columns = ["rank", "score", "id", "path", "caption", "width", "height"]
    labels = list(hits[0].parts) if hits else []
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*columns, *labels])
    for row in rows:
        table.writerow([*(row[name] for name in columns), *(row["parts"][label] for label in labels)])


def shown_path(hit: Hit) -> str:
    """Where the image is: relative to the current folder if it is beneath it, absolute otherwise."""
    if hit.path is None:
        return printable(hit.id)
    return printable(short_path(hit.path))


def short_path(path: Path | str) -> str:
    """A path as a person would type it here; a URL as it is."""
    if "://" in str(path):
        return str(path)
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def hit_as_dict(hit: Hit) -> dict[str, Any]:
    """A hit as the JSON answer holds it."""
    return {
        "rank": hit.rank,
        "score": round(float(hit.score), 6) if is_ranked(hit) else None,
        "id": hit.id,
        "path": str(hit.path) if hit.path is not None else None,
        "caption": hit.caption,
        "width": hit.width,
        "height": hit.height,
        "parts": {label: round(score, 6) for label, score in hit.parts.items()},
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "box": hit.box,
    }


@contextmanager
def counting(what: str, unit: str = "rows") -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr for a function that tells how many of how many are done; None where nobody sees it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(f"[bold]{what}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A small table; the first column names, the others hold numbers."""
    from rich.table import Table

    grid = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="left" if number == 0 else "right", header_style="dim")
    for row in rows:
        grid.add_row(*(printable(cell) for cell in row))
    console().print(grid)
