"""Starts, follows and stops long jobs, and knows the state of each.

The server keeps it, not a session: every window sees the same, also after a reload. The work itself is done by a
program beside the server (`worker`), so that pages stay quick while all cores encode, and ending it is certain; when
the server goes, the work ends after its batch, and the collection is as far as it was committed.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.jobs.worker import Order
from app.library import open_collections
from core.errors import CollectionError
from indexer.ann.build_progress import Step
from indexer.collection.collection import has_collection_at
from indexer.ingest.report import Progress, Report

ROOT = Path(__file__).resolve().parents[2]
MOST_KEPT = 20  # finished ones, to be seen until they are dismissed
State = Literal["running", "stopping", "done", "stopped", "asks", "failed"]
KILLED = -9


@dataclass
class Job:
    """A piece of work on one collection. Only its own thread and `Jobs` change it."""

    number: int
    order: Order
    place: Path  # the collection, as it is opened: a folder of images, or where the collection is kept
    title: str
    began: float = field(default_factory=time.time)
    ended: float | None = None
    state: State = "running"
    progress: Progress | None = None
    step: Step | None = None
    step_began: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    question: dict[str, int] = field(default_factory=dict)
    message: str = ""  # why it failed
    process: subprocess.Popen[str] | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ("running", "stopping")

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return (self.ended or time.time()) - self.began

    @property
    def report(self) -> Report | None:
        """What a run over the images did, or would do."""
        return Report(**self.result) if self.order.task in ("index", "forecast") and self.result else None


class Jobs:
    """All work of this server. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._jobs: list[Job] = []

    def start(self, order: Order, place: Path, title: str) -> Job:
        """Begin. What only foretells what indexing would do gives way to it. Raises `CollectionError` while other work
        on the same collection is going on, and where the machine can run no other program."""
        with self._lock:
            busy = next((job for job in self._jobs if job.order.to == order.to and not job.is_over), None)
            if busy is not None and (busy.order.task, order.task) == ("forecast", "index"):
                busy.state = "stopping"
                if busy.process is not None:
                    busy.process.kill()  # it changes nothing
            elif busy is not None:
                raise CollectionError(f"{place} is busy ({busy.title}): wait until that is done, or stop it")
            others = [job for job in self._jobs if job.order.to != order.to]
            gone = [job for job in others if job.is_over][:-MOST_KEPT]
            self._jobs = [job for job in others if job not in gone]
            job = Job(next(self._numbers), order, place, title)
            self._jobs.append(job)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.jobs.worker"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C at the server's terminal ends it through its input, after its batch
            )
        except OSError as error:
            with self._lock:
                self._jobs.remove(job)
            raise CollectionError(f"{title}: no program can be started ({error.strerror or error})") from None
        with self._lock:
            job.process = process
            _say(job, order.model_dump_json())
            if job.state == "stopping":  # somebody asked for it meanwhile
                _say(job, "stop")
        threading.Thread(target=self._follow, args=(job,), daemon=True).start()
        return job

    def stop(self, job: Job) -> None:
        """Ask it to end after its batch; asked again, it ends at once."""
        with self._lock:
            if job.is_over:
                return
            again, job.state = job.state == "stopping", "stopping"
            _say(job, "stop")
        if again and job.process is not None:
            job.process.kill()

    def all(self) -> list[Job]:
        """Every job that was not dismissed, the newest first."""
        with self._lock:
            return self._jobs[::-1]

    def of(self, path: Path) -> Job | None:
        """The work on the collection at a path."""
        return next((job for job in self.all() if job.order.to == str(path)), None)

    def dismiss(self, job: Job) -> None:
        """Forget finished work."""
        with self._lock:
            self._jobs = [other for other in self._jobs if other is not job or not other.is_over]

    def _follow(self, job: Job) -> None:
        """Hear what the work tells until it is over."""
        process = job.process
        if process is None or process.stdout is None:
            raise AssertionError("the work has begun")
        told: dict[str, Any] = {}
        is_listed = is_new = False
        for line in process.stdout:
            try:
                told = json.loads(line)
            except ValueError:  # it was killed in the middle of a line
                break
            if "progress" in told:
                job.progress = Progress(**told["progress"])
                if job.order.task == "index" and job.progress.stage == "embed" and not is_listed:
                    is_listed, is_new = True, job.place not in open_collections.open_places()
                    open_collections.add(
                        job.place
                    )  # it can be searched while it grows; once, for somebody may close it meanwhile
            if "step" in told:
                job.step, job.step_began = Step(**told["step"]), time.time()
        process.stdout.close()
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
        with self._lock:
            _finish(job, told, code)
        if is_new and job.state in ("stopped", "failed") and not has_collection(job):
            open_collections.remove(job.place)
        if job.state == "done" and job.order.task == "index" and not is_listed:
            open_collections.add(job.place)


def has_collection(job: Job) -> bool:
    """Whether there is one where the work is done; as far as known."""
    try:
        return has_collection_at(Path(job.order.to))
    except CollectionError:  # the object store does not answer now
        return True


def _finish(job: Job, told: dict[str, Any], code: int) -> None:
    job.ended = time.time()
    if "result" in told:
        job.result = told["result"]
        job.state = "stopped" if job.result.get("stopped") else "done"
    elif "question" in told:
        job.question, job.state = told["question"], "asks"
    elif "stopped" in told or job.state == "stopping":
        job.state = "stopped"
    else:
        why = "it was killed, perhaps because memory ran out" if code == KILLED else f"exit code {code}"
        job.message = told.get("error", f"the work ended unexpectedly ({why}); what was finished before is kept")
        job.state = "failed"


def _say(job: Job, line: str) -> None:
    """A line to the work; one that has just ended needs none."""
    if job.process is None or job.process.stdin is None:
        return
    try:
        job.process.stdin.write(line + "\n")
        job.process.stdin.flush()
    except (OSError, ValueError):
        pass


jobs = Jobs()
