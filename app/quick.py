"""How does a command that only searches start sooner?

Importing lancedb takes about a second. Half of it is the client of a catalogue server (`lance_namespace`, hundreds of
pydantic models), which tables on a disk never need; most of the other half is pandas, which pyarrow asks for without
needing it, and `overrides`, which reads the code of every class to check what a type checker checks. A third of
importing torch is `torch._meta_registrations`: how operators work on tensors without numbers, for compilers. The
command line puts all that aside. Names that lancedb wants from the client are empty classes that refuse to be used. A
program that imports clipdex gets the packages as they are.
"""

from __future__ import annotations

import importlib
import importlib.abc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NATIVE = "lancedb._lancedb"
CLIENT = ("lance_namespace", "lance_namespace_urllib3_client")
CHECKS, ABSENT, METAS = "overrides", "pandas", "torch._meta_registrations"


def import_lancedb() -> None:
    """Import lancedb without the client, or, should that not work with some version of it, as it is."""
    if "lancedb" in sys.modules or any(name in sys.modules for name in CLIENT):
        return
    aside = [name for name in (*CLIENT, CHECKS, ABSENT) if name not in sys.modules]
    try:
        with _aside(*aside):
            importlib.import_module("lancedb")
    except Exception:
        native = {name: module for name, module in sys.modules.items() if name == NATIVE}
        _forget("lancedb")
        sys.modules.update(native)  # it can be loaded only once in a process
    importlib.import_module("lancedb")


def import_torch() -> None:
    """Import torch without what only compilers need. Its threads sleep while they wait for each other: for one query
    their waiting awake costs more than its sums, and several times as much where other programs are at work."""
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        with _aside(METAS):
            importlib.import_module("torch")


@contextmanager
def _aside(*names: str) -> Iterator[None]:
    """Import without these; whoever imports one of them later gets the real one."""
    finder = _Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget(*names)


def _forget(*packages: str) -> None:
    for name in [name for name in sys.modules if _within(name, packages)]:
        del sys.modules[name]


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


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


class _Unchecked:
    """In place of a class whose children are checked."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not _within(name, self._names):
            return None
        if _within(name, [ABSENT]):
            raise ModuleNotFoundError(f"{name} was put aside by app.quick", name=name)
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Names(spec.name) if _within(spec.name, CLIENT) else ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []
        if module.__name__ == CHECKS:
            vars(module).update(override=lambda function: function, EnforceOverrides=_Unchecked)
