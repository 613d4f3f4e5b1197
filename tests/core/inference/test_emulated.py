"""Does the encoder hold on a processor that this machine does not have?  On one with AVX2 only, emulated by QEMU."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.shared import ROOT

QEMU = shutil.which("qemu-x86_64")


@pytest.mark.long
@pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64: apt-get install qemu-user")
def test_the_encoders_tests_pass_on_a_haswell() -> None:
    """Without the two tests that start programs of their own, which QEMU would not emulate. Takes some ten minutes."""
    assert QEMU is not None
    run = [QEMU, "-cpu", "Haswell", sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    run += [f"tests/core/inference/test_{name}.py" for name in ("precision", "cpu_parallelism", "encoder")]
    run += ["-k", "not restricted and not importing"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
