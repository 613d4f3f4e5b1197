"""How does a command that only searches start sooner?

Importing lancedb takes about a second, more than half of it for the client of a catalogue server (`lance_namespace`,
hundreds of pydantic models), which tables on a disk never need. The command line puts that client aside: names that
lancedb wants from it are empty classes that refuse to be used. A program that imports clipdex gets lancedb as it is.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NATIVE = "lancedb._lancedb"
ASIDE = ("lance_namespace", "lance_namespace_urllib3_client")


def import_lancedb() -> None:
    """Import lancedb without the client, or, should that not work with some version of it, as it is."""
    if "lancedb" in sys.modules or any(name in sys.modules for name in ASIDE):
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("lancedb")
    except Exception:
        native = {name: module for name, module in sys.modules.items() if name == NATIVE}
        _forget("lancedb")
        sys.modules.update(native)  # it can be loaded only once in a process
    finally:
        sys.meta_path.remove(finder)
        _forget(*ASIDE)  # whoever imports the client later gets the real one
    importlib.import_module("lancedb")


def _forget(*packages: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


class _Unusable(type):
    """The class of classes that stand for something that is not there."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        raise RuntimeError(f"{cls.__name__} was put aside by app.quick: import lancedb before")


class _Names(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Exception,), {}) if name.endswith("Error") else _Unusable(name, (), {})
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in ASIDE else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Names(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []
