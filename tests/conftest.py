"""What do all tests share?  Options, a quiet environment, one thread per process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from core.inference.device import restrict

# Set before torch, numpy or streamlit are imported by any test, and inherited by the programs that tests start.
os.environ["OMP_NUM_THREADS"] = "1"  # workers share the cores; more threads make the suite slower
os.environ["HF_HUB_OFFLINE"] = "1"  # the suite asks no network; an attempt fails at once instead of hanging
os.environ["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] = "false"
os.environ["NO_COLOR"] = "1"  # what commands print is compared as plain text
os.environ["COLUMNS"] = "120"
os.environ["PYTHONUTF8"] = "1"
os.environ.pop("FORCE_COLOR", None)
restrict()  # CLIPDEX_CPU=avx2: the suite as on a processor without AVX-512
# Who starts the suite in the background makes it deaf to Ctrl-C, and with it the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine takes long over an example now and then; what is too slow is measured in benchmarks/.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

SERVED = re.compile(r"^from tests\.app\.(chromium|conftest) import .*\b(Server|tiles)\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not (config.getoption("--long") or os.environ.get("CLIPDEX_SLOW")):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --long or CLIPDEX_SLOW=1"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `pytest -n 2 --dist loadgroup`, a file keeps to one worker, so that what it prepares is prepared once, and
    all files that ask a running app to the same. (The groups of pytest-xdist 3.8 itself are lost with pytest 9.2.)"""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(config.rootpath / nodeid.partition("::")[0])

    return Groups(config, log)


@cache
def group(file: Path) -> str:
    return "served" if SERVED.search(file.read_text("utf-8")) else str(file)


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and no program that a test starts, touches the caches and settings of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home))
        patch.setenv("CLIPDEX_LIBRARY", "")  # a server of one test must not show what another one opened
        yield
