"""Are packages that were imported in part as good as whole ones, for what a search needs of them?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_torch_without_its_rules_for_compilers_computes_the_same_and_gets_them_when_they_are_wanted() -> None:
    code = (
        "import sys; from app import quick; {} import torch; from core.encoder import load_encoder;"
        "vector = load_encoder('tiny').encode_texts(['a red boat'])[0];"
        "print(vector.tobytes().hex(), 'torch._meta_registrations' in sys.modules);"
        "import torch._meta_registrations as metas; print(callable(metas.register_meta), len(sys.meta_path))"
    )
    quick, whole = printed(code.format("quick.import_torch();")), printed(code.format(""))
    assert quick[0] == whole[0]
    assert (quick[1], whole[1]) == ("False", "True")
    assert quick[2:] == whole[2:]


def test_pandas_and_the_checks_of_lancedb_are_there_for_whoever_imports_them_later() -> None:
    code = (
        "import sys; from app.quick import import_lancedb; import_lancedb(); import lancedb, pyarrow;"
        "print('pandas' in sys.modules, 'overrides' in sys.modules);"
        "import pandas, overrides; print(len(pandas.DataFrame({'a': [1, 2]})), callable(overrides.overrides))"
    )
    assert printed(code) == ["False", "False", "2", "True"]
