"""Does a Ray cluster make the same collection, though a worker or a machine dies in the middle?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from core.errors import ConfigError
from tests.indexer.ingest.test_distributed import assert_equal_row_for_row, library
from tests.indexer.pictures import index, paint
from tests.shared import ROOT

# In a program of its own: Ray changes signal handlers and the environment of whoever starts it.
CLUSTER = """
import os, sys, time
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
import clipdex
from core.errors import ConfigError
from indexer.ingest.distributed import coordinator
from indexer.ingest.embedding import pipeline
coordinator.BATCH = 1
coordinator.SHARD = 4
small = {"num_cpus": 1, "object_store_memory": 80_000_000}
folder, to = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
machines = [cluster.add_node(**small) for _ in range(2)]
killed = []
def progress(now):
    if now.stage == "embed" and not killed and now.done >= 12:
        killed.append(now.done)
        cluster.remove_node(machines[1], allow_graceful=False)
report = clipdex.index(folder, to=to, model="toy", engine="ray", address=cluster.address, progress=progress)
print("killed at", killed[0], "of", report.total)
ray.shutdown()
cluster.shutdown()
"""


LOCAL = """
import os, signal, sys
from pathlib import Path
import clipdex
from indexer.ingest.distributed import coordinator
coordinator.BATCH = 1
coordinator.SHARD = 4
def workers():
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat = (place / "stat").read_text().rpartition(") ")[2].split()
            found[int(place.name)] = (int(stat[1]), (place / "cmdline").read_bytes())
        except OSError:
            continue
    ours = {pid for pid, (parent, _) in found.items() if parent == os.getpid()}
    return [pid for pid, (parent, line) in found.items() if parent in ours and line.startswith(b"ray::MapWorker")]
killed = []
def progress(now):
    if now.stage == "embed" and not killed and now.done >= 4:
        killed.extend(workers())
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
folder, to = sys.argv[1:]
report = clipdex.index(folder, to=to, model="toy", engine="ray", progress=progress)
print("killed", len(killed), "added", report.added)
"""


def run(code: str, *words: str | Path) -> str:
    """What a program prints."""
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.serial
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds Ray's workers in Linux's /proc")
def test_a_cluster_of_this_machine_whose_workers_die_makes_what_one_run_makes(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "local")
    printed = run(LOCAL, folder, tmp_path / "spread")
    killed, added = printed.split()[-3::2]
    assert int(killed) >= 1
    assert int(added) == 18
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")
    assert not (tmp_path / "spread" / "staging").exists()


@pytest.mark.long
@pytest.mark.serial
def test_three_machines_of_which_one_dies_make_what_one_run_makes(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    for number in range(60):
        paint(folder / f"more/{number:02}.png", "green", seed=1000 + number, size=(900, 700))
    index(folder, to=tmp_path / "local")
    printed = run(CLUSTER, folder, tmp_path / "spread")
    assert "killed at" in printed and " of 82" in printed
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")
    assert not (tmp_path / "spread" / "staging").exists()


@pytest.mark.long
@pytest.mark.serial
def test_the_command_starts_a_cluster_of_this_machine(tmp_path: Path) -> None:
    folder = library(tmp_path / "pictures")
    index(folder, to=tmp_path / "local")
    command = ["index", str(folder), "--to", str(tmp_path / "spread"), "--model", "toy", "--engine", "ray", "--json"]
    assert '"added": 18' in run("from app.cli import main; main()", *command)
    assert_equal_row_for_row(tmp_path / "local", tmp_path / "spread")


def test_an_address_where_no_cluster_answers_is_told_of(tmp_path: Path) -> None:
    paint(tmp_path / "red.jpg")
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"no Ray cluster answers at {address} \(Connection refused\)"):
            index(tmp_path, engine="ray", address=address)
    with pytest.raises(ConfigError, match="'somewhere' is not an address of a Ray cluster: write HOST:PORT"):
        index(tmp_path, engine="ray", address="somewhere")
    assert not (tmp_path / ".clipdex").exists()


def test_ray_is_told_to_report_to_nobody(tmp_path: Path) -> None:
    paint(tmp_path / "red.jpg")
    with pytest.raises(ConfigError):
        index(tmp_path, engine="ray", address="somewhere")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_machines_are_divided_into_workers() -> None:
    from indexer.ingest.distributed.ray_pool import Shape, shape_of

    assert shape_of([{"CPU": 4.0}, {"CPU": 6.0}, {"memory": 1e9}]) == Shape(2, 4, 0)
    assert shape_of([{"CPU": 64.0}]) == Shape(8, 8, 0)
    assert shape_of([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 32.0, "GPU": 2.0}, {"CPU": 8.0}]) == Shape(6, 4, 1)
    with pytest.raises(ConfigError, match="neither CPUs nor GPUs"):
        shape_of([{"memory": 1e9}])


def test_the_command_tells_of_a_wrong_address_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paint(tmp_path / "red.jpg")
    with pytest.raises(SystemExit, match="2"):
        main(["index", str(tmp_path), "--model", "toy", "--engine", "ray", "--address", "nowhere"])
    assert capsys.readouterr().err.startswith("error: --address 'nowhere' is not an address")
