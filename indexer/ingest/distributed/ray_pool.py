"""Runs shards on a Ray cluster.

One actor has one GPU, or, where there are none, as many CPUs as the smallest machine has.
An actor or a machine that dies has its shards done by another one. Answers are only keys: what was made lies in the
collection's `staging` folder.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from core import errors
from core.errors import ClipdexError, ConfigError, MissingExtraError
from indexer.ingest.distributed.coordinator import Distributed
from indexer.ingest.distributed.shard_worker import Order, ShardWorker
from indexer.ingest.distributed.shards import Shard

if TYPE_CHECKING:
    from indexer.ingest.run import Run

ANSWERS = 5.0  # seconds for a cluster to answer
CPUS = 8  # of one worker without a GPU, at most: more threads make one model hardly faster


def engine(address: str | None = None, *, precision: str = "auto", exact: bool = False) -> Callable[[Run], Distributed]:
    """What `Options.engine` takes. `address` is HOST:PORT of a cluster, or "auto" for the one of this machine; without
    it, and without RAY_ADDRESS in the environment, a cluster of this machine alone is started for the run.

    Raises `MissingExtraError` without Ray, and `ConfigError` for an address where no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; Ray would report to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what else it says belongs into its log files
    try:
        import ray.data
    except ImportError:
        raise MissingExtraError("ray", "ray", "--engine ray") from None
    if not ray.is_initialized():
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        _check(address)
    return partial(_distributed, address=address, precision=precision, exact=exact)


def _distributed(run: Run, *, address: str | None, precision: str, exact: bool) -> Distributed:
    return Distributed(run, partial(ray_pool, address), precision=precision, exact=exact)


def _check(address: str) -> None:
    if address in ("local", "auto"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"--address {address!r} is not an address of a Ray cluster: write HOST:PORT, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERS).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray cluster answers at {address} ({error.strerror or error}): start one with ray start --head, or "
            "leave --address out to use this machine alone"
        ) from None


class RayPool:
    """The actors that a cluster has room for."""

    def __init__(self, ray: Any) -> None:
        """Raises `ConfigError` if there is no room for any."""
        self.ray = ray
        self.shape = shape_of([node["Resources"] for node in ray.nodes() if node["Alive"]])
        self.workers, self.gpus = self.shape.workers, self.shape.gpus > 0

    def finished(self, order: Order, todo: Sequence[Shard]) -> Generator[str, None, None]:
        """The key of each shard once its file is there, in any order. Raises what a worker raised."""
        data = self.ray.data
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [{"shard": shard.to_json()} for shard in todo]
        done = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Actor,
            fn_constructor_args=(order,),
            batch_size=1,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(size=min(self.workers, len(rows))),
            num_cpus=self.shape.cpus,
            num_gpus=self.shape.gpus or None,
        )
        for answer in done.iter_rows():
            if answer["error"]:
                raise _error(answer["error"], answer["message"])
            yield answer["key"]


@dataclass(frozen=True)
class Shape:
    workers: int
    cpus: int  # of each
    gpus: int


def shape_of(machines: Sequence[dict[str, float]]) -> Shape:
    """How many workers do these machines have room for, and what does each get?"""
    with_gpu = [machine for machine in machines if machine.get("GPU", 0) >= 1]
    if with_gpu:
        cpus = min(int(machine.get("CPU", 0) // machine["GPU"]) for machine in with_gpu)
        return Shape(sum(int(machine["GPU"]) for machine in with_gpu), cpus, 1)
    sizes = [int(machine.get("CPU", 0)) for machine in machines if machine.get("CPU", 0) >= 1]
    if not sizes:
        raise ConfigError("the Ray cluster has neither CPUs nor GPUs to work with: add machines to it")
    cpus = min(CPUS, *sizes)
    return Shape(sum(size // cpus for size in sizes), cpus, 0)


class _Actor:
    """A worker in its process. What is wrong is an answer: Ray would try again what cannot succeed."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.worker: ShardWorker | None = None

    def __call__(self, batch: Any) -> Any:
        import pyarrow as pa

        shard = Shard.from_json(batch["shard"][0].as_py())
        error, message = "", ""
        try:
            self.worker = self.worker or ShardWorker(self.order)
            self.worker.work(shard)
        except ClipdexError as raised:
            error, message = type(raised).__name__, str(raised)
        except OSError as raised:  # the destination, most likely
            error = "CollectionError"
            message = f"a worker could not write to {self.order.home}: {raised.strerror or raised}"
        return pa.table({"key": [shard.key], "error": [error], "message": [message]})


def _error(name: str, message: str) -> ClipdexError:
    """The error of a worker, as it would be here."""
    kind = getattr(errors, name, ClipdexError)
    plain = kind in (errors.ModelError, errors.SourceError, errors.CollectionError, errors.WrongModelError, ConfigError)
    error: ClipdexError = kind(message) if plain else ClipdexError(message)
    return error


@contextmanager
def ray_pool(address: str | None) -> Iterator[RayPool]:
    """The pool of the cluster at an address, for the time of a `with`."""
    with _connected(address) as ray:
        yield RayPool(ray)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected; a connection that was made for this ends with it."""
    import ray
    import ray.data

    if ray.is_initialized():
        yield ray
        return
    try:
        local = {"include_dashboard": False} if address == "local" else {}
        with warnings.catch_warnings():
            # Ray starts its programs through a fork at once followed by an exec: nothing of LanceDB runs there.
            warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise ConfigError(f"the Ray cluster at {address} cannot be used: {reason}") from None
    try:
        yield ray
    finally:
        ray.shutdown()
