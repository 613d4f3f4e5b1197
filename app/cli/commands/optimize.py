"""`clipdex optimize [FOLDER]`: builds an approximate index for a large collection and measures it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.commands import AsJson, Folder

if TYPE_CHECKING:
    from indexer.ann.build_progress import Step
    from indexer.ann.optimize import Optimized

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def command(
    folder: Folder = Path(),
    kind: Annotated[str, typer.Option(help="auto, exact, ivf-pq, hnsw, lance or gpu.")] = "auto",
    memory: Annotated[str | None, typer.Option(help="What an index may take in memory: 4G, 500M; else half.")] = None,
    recall: Annotated[float, typer.Option(help="The part of the ten exact answers to find.")] = 0.98,
    report: Annotated[bool, typer.Option("--report", help="Draw recall against latency as a PNG file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the index that suits a collection, and measure what it finds."""
    from app.cli.output import print_json
    from indexer.ann.optimize import optimize
    from indexer.collection.collection import Collection

    budget = None if memory is None else in_bytes(memory)
    collection = Collection.find(folder.expanduser())
    found = optimize(collection, kind=kind, memory=budget, recall=recall, progress=None if as_json else _tell)
    drawn = _draw(collection.path, found) if report else []
    if as_json:
        print_json({"indexes": [as_dict(each) for each in found], "reports": [str(file) for file in drawn]})
        return
    for each in found:
        _show(each)
    for file in drawn:
        print(f"drawn: {file}")
    if report and not drawn:
        print("nothing drawn: an exact search finds every answer, so there is no recall to draw")


def in_bytes(text: str) -> int:
    """The number of bytes in "4G" or "500 MB". Raises `ConfigError`."""
    from core.errors import ConfigError

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if match is None:
        raise ConfigError(f"{text!r} is not a size of memory: write 4G or 500M")
    return int(float(match[1]) * UNITS[match[2]])


def as_dict(found: Optimized) -> dict[str, Any]:
    """What was decided, as the JSON answer holds it."""
    told: dict[str, Any] = {"target": found.target, "kind": found.choice.kind, "reasons": found.choice.reasons}
    if found.manifest is not None:
        told |= found.manifest.model_dump(
            mode="json", include={"n", "d", "built", "seconds", "size_bytes", "target_recall", "measured", "filters"}
        )
    return told


def _tell(step: Step) -> None:
    from app.cli.output import note

    if sys.stderr.isatty():
        note(f"{step} …", prefix="")


def _show(found: Optimized) -> None:
    from app.cli.output import printable
    from app.formatting import format_size
    from indexer.ann.optimize import shortcoming

    what = {"images": "images", "texts": "captions"}[found.target]
    print(f"{what}: {found.choice.kind}")
    for reason in found.choice.reasons:
        print(f"  {printable(reason)}")
    manifest = found.manifest
    if manifest is None:
        return
    print(f"  {manifest.n:,} vectors, {format_size(manifest.size_bytes)} in memory, built in {manifest.seconds:.1f} s")
    for kind, measured in manifest.measured.items():
        print(
            f"  {kind} queries: ann_recall@10 {measured.ann_recall:.3f} in {measured.milliseconds:.2f} ms "
            f"at effort {measured.effort} ({measured.queries} of {measured.origin})"
        )
    problem, suggestion = shortcoming(manifest)
    if problem:
        print(f"  {problem}; {suggestion}")


def _draw(collection: Path, found: list[Optimized]) -> list[Path]:
    from indexer.ann.recall_plot import draw_manifest
    from indexer.collection.index_files.manifest import FOLDER

    drawn = []
    for each in found:
        if each.manifest is not None:
            file = collection / FOLDER / f"{each.target}.png"
            draw_manifest(each.manifest, file)
            drawn.append(file)
    return drawn
