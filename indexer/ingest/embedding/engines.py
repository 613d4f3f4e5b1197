"""The registry of engines that can embed: local and Ray."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, unknown_choice

if TYPE_CHECKING:
    from indexer.ingest.embedding.pipeline import Embedding
    from indexer.ingest.run import Run


def _local(address: str | None, **_: Any) -> None:
    if address is not None:
        raise ConfigError("--address belongs to --engine ray: say that, too")


def _ray(address: str | None, **how: Any) -> Callable[[Run], Embedding]:
    from indexer.ingest.distributed.ray_pool import engine

    return engine(address, **how)


ENGINES: dict[str, Callable[..., Callable[[Run], Embedding] | None]] = {"local": _local, "ray": _ray}


def engine_of(name: str, address: str | None, *, precision: str, exact: bool) -> Callable[[Run], Embedding] | None:
    """What `Options.engine` takes: None for this program itself. Raises `ConfigError` and `MissingExtraError`."""
    if name not in ENGINES:
        raise ConfigError(unknown_choice("engine", name, ENGINES))
    return ENGINES[name](address, precision=precision, exact=exact)
