"""Shows running jobs, their progress, and how to stop them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.formatting import STAGES, format_pace
from app.jobs.supervisor import Job, has_collection, jobs
from app.library import searchers
from app.library.overview import overview
from app.web.components.markdown import as_text

BEGUN = "work-begun-here"  # in the session: the numbers of the work that the form of this window began
OFTEN, SELDOM = 1.0, 4.0  # seconds; another window may begin something
BEFORE = "Loading the model"
WAITS = {"optimize": "Reading the vectors", "compact": "Freeing disk space"}
STAGES_HERE = {**STAGES, "read": "Reading every row"}
# What the library says to do at a command line, and what that is called on a page.
HERE = {
    "; if they are really gone, index again with --allow-removal": "",
    "choose another place with --to DIR": "choose another place under “More options”",
    "keep one in another place with --to DIR": "make that possible, or index to another place: see Library",
    "Say so with --to DIR": "Say so under “More options”",
    "wait until it is done, or use --wait": "wait until it is done",
    "choose an empty folder with --to": "choose an empty or a new folder under “More options”",
    "choose a plain name with --to DIR": "choose a plain name under “More options”",
    "; use --to DIR": "; keep the collection in another place: see Library, “More options”",
    "say others with --include or --exclude; --include '' and --exclude '' take them back": (
        "change them in its Details, under “Options”"
    ),
    "index again with the same --model when they are back, or with --allow-removal to go on without them": (
        "change the model again when they are back"
    ),
}
ELSEWHERE = " (What begins with -- is said at the command line: clipdex index.)"


def panel(path: Path | None = None, *, here: bool | None = None) -> None:
    """The work on the collection at a path, or on all of them; `here`: only what was begun by the form of this window,
    or only the rest."""
    shown = _shown(path, here)
    st.session_state[f"work-seen-{here}"] = _signature(shown)
    busy = any(not job.is_over for job in shown)
    st.fragment(_panel, run_every=OFTEN if busy else SELDOM)(path, here)


def _panel(path: Path | None, here: bool | None) -> None:
    shown = _shown(path, here)
    if _signature(shown) != st.session_state.get(f"work-seen-{here}"):
        st.rerun()  # something began or ended: counts elsewhere on the page are others now
    for job in shown:
        with st.container(border=True, key=f"job-{job.number}"):
            _running(job) if not job.is_over else _over(job)


def _shown(path: Path | None, here: bool | None) -> Sequence[Job]:
    begun = st.session_state.get(BEGUN, ())
    found = [job for job in jobs.all() if path is None or job.order.to == str(path)]
    return [job for job in found if here is None or (job.number in begun) == here]


def begun_here(job: Job) -> None:
    """This work belongs beside the form of this window."""
    st.session_state[BEGUN] = (*st.session_state.get(BEGUN, ()), job.number)


def _signature(shown: Sequence[Job]) -> list[tuple[int, bool]]:
    return [(job.number, job.is_over) for job in shown]


def _running(job: Job) -> None:
    done, total = (job.progress.done, job.progress.total) if job.progress else (0, 0)
    if job.step is not None:
        done, total = job.step.number - 1, job.step.of
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{as_text(job.title)}**", width="stretch")
        stopping = job.state == "stopping"
        st.button(
            "Stop at once" if stopping else "Stop",
            key=f"stop-{job.number}",
            icon=":material/stop_circle:",
            on_click=jobs.stop,
            args=(job,),
            help="What is finished stays; the next run goes on from there.",
        )
    st.progress(min(1.0, done / total) if total else 0.0, text=as_text(describe_job(job)))
    if stopping:
        st.caption("Stopping after this batch.")


def describe_job(job: Job) -> str:
    """How far it is, in one line."""
    progress = job.progress
    if job.step is not None:
        now = f"{clock(time.time() - job.step_began)} at this step, " if job.step.number > 1 else ""
        what = f"Step {job.step.number} of {job.step.of}: {job.step.message}"
        return f"{what} · {now}{clock(job.seconds)} so far"
    if progress is None:
        first = WAITS.get(job.order.task) or (BEFORE if job.order.task in ("index", "forecast") else "Opening")
        return f"{first} … {clock(job.seconds)}"
    said = [STAGES_HERE.get(progress.stage, progress.stage)]
    if progress.total:
        said.append(f"{progress.done:,} of {progress.total:,}")
    if how := format_pace(progress.rate, progress.eta):
        said.append(how)
    if progress.failed:
        said.append(f"{progress.failed:,} could not be read")
    return " · ".join([*said, f"{clock(job.seconds)} so far"])


def clock(seconds: float) -> str:
    """A duration as 1:05 or 2:10:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _over(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        nothing = _made_nothing(job)
        st.markdown(f"**{as_text(job.title)}** :gray[{_ending(job, nothing)}]", width="stretch")
        if job.state != "asks":
            st.button("Close", key=f"close-{job.number}", type="tertiary", on_click=jobs.dismiss, args=(job,))
    if job.state == "failed":
        st.error(as_text(in_page(job.message)), icon=":material/error:")
    elif job.state == "asks":
        _ask(job)
    elif job.order.task == "forecast":
        _offer(job)
    else:
        report = job.report
        lines = report.summary().splitlines() if report else job.result.get("lines", [])
        for line in [] if nothing else lines:
            st.markdown(as_text(line))
        if job.order.task == "verify" and not job.result.get("well", True):
            st.button(
                "Repair", key=f"repair-{job.number}", on_click=_again, args=(job, {"task": "repair"}, "Repairing")
            )
        if job.order.task == "index" and job.state == "stopped":
            change: dict[str, object] = {}
            st.button("Go on", key=f"on-{job.number}", on_click=_again, args=(job, change, job.title))
        if job.order.task == "index" and not nothing:
            st.page_link("app/web/pages/search.py", label="Search it", query_params={"c": searchers.key(job.place)})


def _made_nothing(job: Job) -> bool:
    """Whether indexing was stopped before there was anything that could be searched."""
    if job.order.task != "index" or job.state != "stopped":
        return False
    if not has_collection(job):
        return True
    seen = overview(job.place)
    return not (seen.images or seen.problem)


def _ending(job: Job, nothing: bool = False) -> str:
    endings = {"done": "finished", "stopped": "stopped", "failed": "failed", "asks": "waits for an answer"}
    if nothing:
        return f"stopped after {clock(job.seconds)}; nothing was indexed yet"
    if job.state == "stopped" and not job.result:
        return f"stopped after {clock(job.seconds)}; what was finished before is kept"
    return f"{endings[job.state]} after {clock(job.seconds)}"


def _ask(job: Job) -> None:
    """More than half would be removed: a person decides, with the numbers before the eyes."""
    gone, left = job.question["removed"], job.question["unchanged"] + job.question["added"]
    st.warning(
        f"{gone:,} images of this collection are no longer in its folder, {left:,} are. Is a disk or a folder "
        "missing? Then connect it and index again. Nothing was removed.",
        icon=":material/help:",
    )
    with st.container(horizontal=True):
        st.button(
            f"Remove {gone:,} images from the collection",
            key=f"remove-{job.number}",
            help="Files on the disk are not touched.",
            on_click=_again,
            args=(job, {"allow_removal": True}, job.title),
        )
        st.button("Keep them", key=f"keep-{job.number}", type="primary", on_click=jobs.dismiss, args=(job,))


def _offer(job: Job) -> None:
    """What would be done, and doing it."""
    report = job.report
    for line in report.summary().splitlines()[:-1] if report else []:
        st.markdown(as_text(line.replace("stop and ask for --allow-removal", "stop and ask")))
    with st.container(horizontal=True):
        st.button(
            "Do it",
            key=f"do-{job.number}",
            type="primary",
            on_click=_again,
            args=(job, {"task": "index"}, job.title.replace("What would change", "Indexing")),
        )


def _again(job: Job, change: dict[str, object], title: str) -> None:
    next_one = jobs.start(job.order.model_copy(update=change), job.place, title)
    if job.number in st.session_state.get(BEGUN, ()):
        begun_here(next_one)


def in_page(message: str) -> str:
    """A message of the library in the words of a page."""
    for told, here in HERE.items():
        message = message.replace(told, here)
    return message + ELSEWHERE if re.search(r"(?<!\S)--[a-z]", message) else message
