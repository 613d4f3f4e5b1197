"""Prints the table of known models."""

from __future__ import annotations

from core.formats.model_catalog import Description

NUMBERS = ("M params", "px", "dim", "ImageNet", "COCO t→i", "i→t")
COLUMNS = ("name", *NUMBERS, "here", "licence", "source")
WIDTH = 170


def show(descriptions: tuple[Description, ...], here: dict[str, bool], recommended: str) -> None:
    """Print what is known about models, the recommended one in bold."""
    from rich.table import Table

    from app.cli.output import console

    out = console()
    if not out.is_terminal:
        out.width = WIDTH
    wide = out.width >= WIDTH  # a narrow terminal gets no repositories rather than half ones
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for name in COLUMNS[: None if wide else -1]:
        grid.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for each in descriptions:
        cells = row(each, here[each.name])
        grid.add_row(*cells[: len(grid.columns)], style="bold" if each.name == recommended else "")
    out.print(grid)
    out.print(
        f"\nRecommended: {recommended}. Bundled, for trying clipdex: tiny. Any other: hf:OWNER/REPOSITORY[@REVISION], "
        "or the path of a model. Other families: openclip:ARCHITECTURE/PRETRAINED, transformers:OWNER/REPOSITORY.\n"
        "ImageNet: zero-shot top-1. COCO: recall@1, text→image and image→text. In percent, as published.",
        style="dim",
    )


def row(known: Description, here: bool) -> list[str]:
    """A description as the cells of `COLUMNS`."""
    return [
        known.name,
        f"{known.parameters / 1e6:.0f}",
        str(known.image_size),
        str(known.embed_dim),
        percent(known.imagenet),
        percent(known.coco_text_to_image),
        percent(known.coco_image_to_text),
        "yes" if here else "",
        known.licence.partition(";")[0].partition(",")[0],
        f"hf:{known.repo}",
    ]


def percent(share: float | None) -> str:
    """A published share, or a dash where none was published."""
    return "–" if share is None else f"{share:.1f}"
