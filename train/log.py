"""Writes the log of a run, one JSON record a line, and its plot."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from core.errors import MissingExtraError

NAME = "log.jsonl"


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one record as one line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All whole records; a half-written last line, left by a kill, is not one."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def cut(path: Path, step: int) -> None:
    """Forget records of `step` and later: a resumed run writes them again."""
    kept = [record for record in read(path) if record["step"] < step]
    path.write_text("".join(json.dumps(record) + "\n" for record in kept), "utf-8")


def check_plot() -> None:
    """Raise `MissingExtraError` if `plot` cannot draw: that is better known before a run than after it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "train", "the plot of a training run")


def plot(log: Path, picture: Path) -> None:
    """Draw loss and measurements over steps into a PNG. Raises `MissingExtraError`."""
    check_plot()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    records = read(log)
    losses = [(record["step"], record["loss"]) for record in records if "loss" in record]
    names = sorted({name for record in records for name in record.get("measured", {})})
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(*zip(*losses, strict=True) if losses else ([], []), linewidth=0.8)
    left.set(xlabel="step", ylabel="loss", title="contrastive loss")
    for name in names:
        points = [
            (record["step"], record["measured"][name]) for record in records if name in record.get("measured", {})
        ]
        right.plot(*zip(*points, strict=True), marker=".", label=name)
    right.set(xlabel="step", ylabel="measured", title="on data not trained on", ylim=(0, 1))
    if names:
        right.legend(fontsize=7)
    figure.savefig(picture, dpi=120)
