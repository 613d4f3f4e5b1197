"""Plots recall against latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import MissingExtraError

if TYPE_CHECKING:
    from indexer.collection.index_files.manifest import Manifest

MISSED_LEAST = 5e-4  # of the answers; a recall of 1 has no place on a logarithmic axis


def draw(curves: Mapping[str, Sequence[tuple[float, float]]], target: float, title: str, file: Path) -> None:
    """Named curves of (milliseconds, ann_recall) as a PNG; the axis of recall stretches towards 1.

    Raises `MissingExtraError` where matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "train", "a plot") from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, points in curves.items():
        missed = [max(MISSED_LEAST, 1 - recall) for _, recall in points]
        axes.plot([time for time, _ in points], missed, marker="o", markersize=3, label=name)
    axes.axhline(
        max(MISSED_LEAST, 1 - target), color="gray", linewidth=0.8, linestyle="--", label=f"{target:g} asked for"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_yaxis()
    ticks = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]
    axes.set_yticks(ticks, [f"{1 - tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("milliseconds for a search")
    axes.set_ylabel("ann_recall@10")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    figure.legend(fontsize="small", loc="outside right upper")
    figure.savefig(file, dpi=120, format="png")


def draw_manifest(manifest: Manifest, file: Path) -> None:
    """The curves that were measured after an index was built. Raises `MissingExtraError`."""
    curves = {
        f"{kind} queries ({measured.queries})": [(point.milliseconds, point.ann_recall) for point in measured.curve]
        for kind, measured in manifest.measured.items()
    }
    draw(curves, manifest.target_recall, f"{manifest.kind} over {manifest.n:,} {manifest.target}", file)
