"""Which model does `clipdex index` take when none is named?"""

from __future__ import annotations

from pathlib import Path

import pytest

import clipdex
from core.errors import ModelError
from core.formats.hub import RECOMMENDED_MODEL
from tests.app.cli.test_cli import clipdex as program
from tests.app.conftest import paint


def test_a_new_collection_gets_the_recommended_model_and_without_a_network_the_three_ways_on(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 0)
    code, out, error = program("index", str(tmp_path))
    assert (code, out) == (2, "")
    announced, problem = error.splitlines()
    assert announced.startswith(f"note: without --model it is {RECOMMENDED_MODEL}") and "0.6 GB" in announced
    assert problem.startswith(f"error: {RECOMMENDED_MODEL} is not on this machine, and the hub cannot be asked.")
    assert all(way in problem for way in ("--model PATH", "HF_HOME", "--model tiny"))
    assert not (tmp_path / ".clipdex").exists()
    with pytest.raises(ModelError, match="--model tiny"):
        clipdex.index(tmp_path)


def test_a_collection_keeps_its_model(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 0)
    clipdex.index(tmp_path, model="toy")
    paint(tmp_path / "b.png", "blue", 0)
    code, _, error = program("index", str(tmp_path))
    assert (code, error) == (0, "")
    assert clipdex.open(tmp_path).status().model == "toy"
