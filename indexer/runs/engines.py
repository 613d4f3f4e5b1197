"""Which engines can embed the pictures of a run?  One line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    from indexer.runs.pipeline import Embedding
    from indexer.runs.run import Run


def _local(address: str | None, **_: Any) -> None:
    if address is not None:
        raise ConfigError("--address belongs to --engine ray: say that, too")


def _ray(address: str | None, **how: Any) -> Callable[[Run], Embedding]:
    from indexer.runs.ray_pool import engine

    return engine(address, **how)


ENGINES: dict[str, Callable[..., Callable[[Run], Embedding] | None]] = {"local": _local, "ray": _ray}


def engine_of(name: str, address: str | None, *, precision: str, exact: bool) -> Callable[[Run], Embedding] | None:
    """What `Options.engine` takes: None for this program itself. Raises `ConfigError` and `MissingExtraError`."""
    if name not in ENGINES:
        raise ConfigError(unknown_choice("engine", name, ENGINES))
    return ENGINES[name](address, precision=precision, exact=exact)
