"""Builds the wheel, installs it into an empty environment and runs the demo there: `python -m tests.wheel`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*words: str | Path, cwd: Path) -> str:
    """What a command prints. Raises `CalledProcessError`; its errors go to stderr."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main() -> None:
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # what an earlier build left would go into the wheel
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
        (wheel,) = folder.glob("*.whl")
        listed = zipfile.ZipFile(wheel).namelist()
        needed = {"core/py.typed", "core/models/tiny/model.safetensors", "core/text/prompts.json"}
        missing = (needed | {"train/recipes/tiny.toml", "app/web/components/grid.js"}) - set(listed)
        assert not missing, f"the wheel lacks {missing}"
        assert not [one for one in listed if one.startswith(("tests", "benchmarks", "docs"))]
        environment = folder / "env"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        pins = ROOT / "constraints.txt"
        torch = next(line for line in pins.read_text("utf-8").splitlines() if line.startswith("torch=="))
        quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", pins)
        run(python, *quiet, torch, cwd=folder)  # alone and first, see the Makefile
        run(python, *quiet, f"{wheel}[faiss-cpu]", cwd=folder)
        shown = run(environment / "bin" / "clipdex", "demo", "--no-ui", "--n", "40", cwd=folder)
        assert "40 added" in shown, shown
        print(
            run(python, "-c", "import clipdex; print('clipdex', clipdex.__version__)", cwd=folder).strip(),
            "works alone",
        )


if __name__ == "__main__":
    main()
