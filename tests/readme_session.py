"""Runs what the pages of `PAGES` show being typed.

Reads the `console` and `pycon` blocks of the pages and runs them, in order, in one folder, after `clipdex demo`.
`test_docs.py` compares what comes out with what the page promises; `python -m tests.readme_session`, which
`make docs` calls, writes it into the pages, for a person to read and commit (after a new bundled model, say).
"""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tolerance import agrees

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "start.md")
# The pages are written for someone who has typed `make demo`.
BEFORE = "clipdex demo --no-ui"


@dataclass(frozen=True)
class Step:
    """One thing to type, what the page promises, and the first and last line (0-based, exclusive) of that promise."""

    kind: str
    typed: str
    promised: str
    start: int
    stop: int


def blocks(page: str, language: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of every fenced block in a language."""
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE):
        yield page.count("\n", 0, match.start(1)), match[1]


def steps(page: str) -> list[Step]:
    """Everything that the page shows being typed, in its order."""
    found = []
    for first, text in blocks(page, "console"):
        lines = text.splitlines(keepends=True)
        at = [number for number, line in enumerate(lines) if line.startswith("$ ")] + [len(lines)]
        for begin, end in itertools.pairwise(at):
            typed, promised = lines[begin][2:].strip(), "".join(lines[begin + 1 : end])
            found.append(Step("console", typed, promised, first + begin + 1, first + end))
    for first, text in blocks(page, "pycon"):
        for example in doctest.DocTestParser().get_examples(text):
            start = first + example.lineno + example.source.count("\n")
            found.append(Step("pycon", example.source, example.want, start, start + example.want.count("\n")))
    return sorted(found, key=lambda step: step.start)


class Session:
    """A terminal and a Python prompt in one folder, where the demo has been."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.before = self._shell(BEFORE)

    def run(self, step: Step) -> str:
        """What comes out, as a person would see it."""
        if step.kind == "pycon":
            return self._python(step.typed)
        return "".join(f"{line.rstrip()}\n" for line in self._shell(step.typed).splitlines())

    def _python(self, source: str) -> str:
        out = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out):
            try:
                exec(compile(source, "README.md", "single"), self.names)
            except Exception as error:
                last = "".join(traceback.format_exception_only(error))
                out.write(f"Traceback (most recent call last):\n    ...\n{last}")
        return out.getvalue()

    def _shell(self, typed: str) -> str:
        """The command's output with a terminal for stdout: what a program prints there is what people meet."""
        words = shlex.split(typed)
        if words[0] == "clipdex":
            words[:1] = [sys.executable, "-m", "app.cli"]
        terminal, inside = os.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "100"}
        output = bytearray()
        # stderr is not a terminal, so that no progress bar draws over the answer; errors come last.
        with tempfile.TemporaryFile() as errors, os.fdopen(terminal, "rb", buffering=0) as reader:
            process = subprocess.Popen(
                words, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=inside, stderr=errors
            )
            os.close(inside)
            with contextlib.suppress(OSError):  # a terminal whose writer is gone ends with EIO
                while part := reader.read(65536):
                    output += part
            process.wait(timeout=300)
            errors.seek(0)
            output += errors.read()
        return output.decode("utf-8", "replace").replace("\r\n", "\n")


def rewritten(page: str, answers: Sequence[tuple[Step, str]]) -> str:
    """The page with the real output of every step; a promise that still holds, with its `...` and with numbers that are
    near, stays as it is."""
    lines = page.splitlines(keepends=True)
    for step, got in reversed(answers):
        if not agrees(step.promised, got):
            lines[step.start : step.stop] = got.splitlines(keepends=True)
    return "".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder))
        for path in PAGES:
            page = path.read_text("utf-8")
            path.write_text(rewritten(page, [(step, session.run(step)) for step in steps(page)]), "utf-8")
