"""Runs one job in a process of its own: an order in, lines of JSON out.

`python -m app.jobs.worker` reads an `Order` from the first line of its standard input. A further line, or the end of
the input, which is the end of the server, ends the work: well, after its batch, while images are indexed; at once
where nothing would be lost by that. It tells of the work on its standard output, a JSON object a line: `progress`,
`step`, and last one of `result`, `question`, `stopped` and `error`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from core.errors import ClipdexError, SourceError
from core.schema import Frozen

if TYPE_CHECKING:
    from indexer.collection.collection import Collection
    from indexer.ingest.report import Progress, Report

Task = Literal["index", "forecast", "optimize", "verify", "repair", "compact"]
STOPPABLE = ("check", "embed", "finish")  # stages of a run that ask between batches whether to stop
NICENESS = 5  # searches come first


class Order(Frozen):
    """What is to be done with the collection at `to`."""

    task: Task
    to: str
    sources: tuple[str, ...] = ()  # further ones, or those of a new collection
    model: str | None = None
    captions: str | None = None
    include: tuple[str, ...] | None = None  # None: as before
    exclude: tuple[str, ...] | None = None
    tiles: bool | None = None  # None: as before
    retry_failures: bool = False
    allow_removal: bool = False
    download: bool = False  # whether the model may be fetched from the hub


class Teller:
    """Writes the lines, and knows whether to stop."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._stage = ""
        self.asked = False

    def tell(self, **what: Any) -> None:
        """One line. Where nobody reads any more, the work is about to be ended by `listen`."""
        line = json.dumps(what, default=str)
        with self._lock:
            try:
                self._out.write(line + "\n")
                self._out.flush()
            except OSError:
                pass

    def progress(self, progress: Progress) -> None:
        self._stage = progress.stage
        self.tell(progress=asdict(progress))

    def stop(self) -> bool:
        return self.asked

    def listen(self, orders: TextIO) -> None:
        """Wait for the word to stop, and for it a second time."""
        import _thread

        for _ in range(2):
            orders.readline()
            again, self.asked = self.asked, True
            if again or self._stage not in STOPPABLE:
                _thread.interrupt_main()


def main() -> None:
    """Do what the first line of the input says."""
    # Whatever a library prints must not be taken for a line of ours.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which may have been ignored where the server was started
    teller = Teller(out)
    order = Order.model_validate_json(sys.stdin.readline())
    threading.Thread(target=teller.listen, args=(sys.stdin,), daemon=True).start()
    os.nice(NICENESS)
    try:
        told = TASKS[order.task](order, teller)
    except ClipdexError as error:
        told = {"error": str(error), "kind": type(error).__name__}
    except KeyboardInterrupt:
        told = {"stopped": True}
    except BaseException:
        teller.tell(error="an unexpected error ended the work; it is told where the server was started")
        raise
    teller.tell(**told)
    out.close()
    os._exit(0)  # threads of libraries need not be waited for; what counts was written


def _index(order: Order, teller: Teller) -> dict[str, Any]:
    if not order.download:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the server has looked: the model is here
    try:
        return {"result": asdict(_run(order, teller, dry_run=False))}
    except SourceError as error:
        if order.allow_removal:
            raise
        try:
            forecast = _run(order, teller, dry_run=True)
        except ClipdexError:
            raise error from None
        if not forecast.needs_permission:
            raise
        return {"question": {"removed": forecast.removed, "added": forecast.added, "unchanged": forecast.unchanged}}


def _forecast(order: Order, teller: Teller) -> dict[str, Any]:
    return {"result": asdict(_run(order, teller, dry_run=True))}


def _run(order: Order, teller: Teller, *, dry_run: bool) -> Report:
    import clipdex

    said = {name: value for name in ("include", "exclude") if (value := getattr(order, name)) is not None}
    return clipdex.index(
        order.sources,
        to=order.to,
        # A forecast for a collection to be made needs no model; loading the recommended one could mean to download it.
        model=None if dry_run and not _is_there(order) else order.model,
        captions=order.captions,
        settings=clipdex.Settings.model_validate(said),
        tiles=order.tiles,
        retry_failures=order.retry_failures,
        allow_removal=order.allow_removal,
        dry_run=dry_run,
        progress=teller.progress,
        stop=teller.stop,
    )


def _is_there(order: Order) -> bool:
    from indexer.collection.collection import has_collection_at

    return has_collection_at(Path(order.to))


def _optimize(order: Order, teller: Teller) -> dict[str, Any]:
    from indexer.ann.optimize import optimize, shortcoming

    lines = []
    for found in optimize(_collection(order), progress=lambda step: teller.tell(step=asdict(step))):
        what = {"images": "images", "texts": "captions"}[found.target]
        lines.append(f"{what}: {found.choice.kind} ({'; '.join(found.choice.reasons)})")
        problem = shortcoming(found.manifest)[0] if found.manifest is not None else None
        lines += [problem] if problem else []
    return {"result": {"lines": lines}}


def _verify(order: Order, teller: Teller) -> dict[str, Any]:
    from indexer.maintenance.verify import verify

    def tell(done: int, total: int) -> None:
        counted = {"stage": "read", "done": done, "total": total, "failed": 0, "rate": 0.0, "eta": None}
        teller.tell(progress=counted)

    mend = order.task == "repair"
    result = verify(_collection(order, mending=mend), mend=mend, progress=tell)
    return {"result": {"lines": result.summary().replace("--repair", "“Repair”").splitlines(), "well": result.well}}


def _compact(order: Order, teller: Teller) -> dict[str, Any]:
    from app.formatting import compaction_summary
    from indexer.maintenance.compact import compact

    done = compact(_collection(order))
    lines = [compaction_summary(done)]
    if done.kept:
        lines.append(f"{done.kept:,} old versions stay for ten minutes, for searches that are running now")
    return {"result": {"lines": lines}}


def _collection(order: Order, *, mending: bool = False) -> Collection:
    from indexer.collection.collection import Collection

    return Collection.open(Path(order.to), mending=mending)


TASKS: dict[Task, Callable[[Order, Teller], dict[str, Any]]] = {
    "index": _index,
    "forecast": _forecast,
    "optimize": _optimize,
    "verify": _verify,
    "repair": _verify,
    "compact": _compact,
}

if __name__ == "__main__":
    main()
