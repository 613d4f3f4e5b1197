"""Writes the tree of files with their first lines into docs/files.md: `python -m tests.tree`."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "train", "indexer", "app")
FACES = ("clipdex", "streamlit_app")
BLOCK = re.compile(r"(?<=```text\n)(.*?)(?=\n```)", flags=re.DOTALL)


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(found) + [ROOT / f"{face}.py" for face in FACES]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def first_line(path: Path) -> str:
    """The first line of a module's docstring: what the file does."""
    return (ast.get_docstring(parsed(path)) or "").split("\n")[0].strip()


def expected_tree() -> str:
    """The file tree as docs/files.md shows it: every module with what it does."""
    lines = [f"{face + '.py':<28}{first_line(ROOT / f'{face}.py')}" for face in FACES]
    for package in PACKAGES:
        lines += _folder(ROOT / package, 0)
    return "\n".join(lines)


def _folder(folder: Path, depth: int) -> list[str]:
    lines = [f"{'  ' * depth + folder.name + '/':<28}{first_line(folder / '__init__.py')}"]
    inside = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in inside:
        if path.is_dir() and any(path.glob("*.py")):
            lines += _folder(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            lines.append(f"{'  ' * (depth + 1) + path.name:<28}{first_line(path)}")
    return lines


if __name__ == "__main__":
    page = ROOT / "docs" / "files.md"
    page.write_text(BLOCK.sub(lambda _: expected_tree(), page.read_text("utf-8"), count=1), "utf-8")
