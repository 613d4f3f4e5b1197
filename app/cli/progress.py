"""Shows the progress of a run at the terminal and lets Ctrl-C end it early."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.formatting import STAGES, format_pace

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from indexer.ingest.report import Progress


class Watcher:
    """Hears a run's progress, and Ctrl-C: `stop` is True once it was pressed while there was work to finish."""

    def __init__(self, show: Callable[[Progress], None] | None) -> None:
        self._show = show
        self._stage = ""
        self._asked = False

    def progress(self, progress: Progress) -> None:
        self._stage = progress.stage
        if self._show is not None:
            self._show(progress)

    def stop(self) -> bool:
        return self._asked

    def interrupted(self, *_: Any) -> None:
        """The first Ctrl-C while images are being embedded ends the run after its batch; any other ends it here."""
        if self._asked or self._stage not in ("check", "embed", "finish"):
            raise KeyboardInterrupt
        self._asked = True
        print("stopping after this batch; Ctrl-C again stops at once", file=sys.stderr)


@contextmanager
def watched(*, show: bool) -> Iterator[Watcher]:
    """Watch one run: with a bar on stderr if there is a terminal and it is wanted."""
    if not (show and sys.stderr.isatty()):
        with _listening(Watcher(None)) as watcher:
            yield watcher
        return
    with _bar() as bar, _listening(Watcher(_into(bar))) as watcher:
        yield watcher


@contextmanager
def _listening(watcher: Watcher) -> Iterator[Watcher]:
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main one only
        yield watcher
        return
    before = signal.signal(signal.SIGINT, watcher.interrupted)
    try:
        yield watcher
    finally:
        signal.signal(signal.SIGINT, before)


def _bar() -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from app.cli.output import console

    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[failures]}", style="red"),
        console=console(stderr=True),
        transient=True,
    )


def _into(bar: Bar) -> Callable[[Progress], None]:
    """A function that shows the indexer's progress on the bar."""
    task = bar.add_task(STAGES["scan"], total=None, pace="", failures="")

    def show(progress: Progress) -> None:
        bar.update(
            task,
            description=STAGES.get(progress.stage, progress.stage),
            completed=progress.done,
            total=progress.total or None,
            pace=format_pace(progress.rate, progress.eta),
            failures=f"{progress.failed:,} failed" if progress.failed else "",
        )

    return show
