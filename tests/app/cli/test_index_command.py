"""What does a person see who indexes, stops, asks first, or lets a folder be watched?"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.cli.test_cli import clipdex, fails
from tests.app.conftest import paint
from tests.shared import ROOT


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for number in range(4):
        paint(tmp_path / f"{number}.png", "red", number)
    (tmp_path / "bad.jpg").write_text("no image")
    return tmp_path


def test_strict_ends_with_3_when_anything_failed(album: Path) -> None:
    code, out, _ = clipdex("index", album, "--model", "toy", "--strict")
    assert code == 3
    assert "4 added" in out and "1 failed: 1 not an image" in out
    assert clipdex("index", album)[0] == 0
    (album / "bad.jpg").unlink()
    assert clipdex("index", album, "--strict")[0] == 0


def test_a_dry_run_says_what_would_be_done(album: Path) -> None:
    code, out, err = clipdex("index", album, "--dry-run")  # no model is loaded, let alone downloaded
    assert (code, err) == (0, "")
    assert out == "5 images: 5 new\nnothing was done, this was a dry run\n"
    assert not (album / ".clipdex").exists()
    told = json.loads(clipdex("index", album, "--dry-run", "--model", "toy", "--json")[1])
    assert (told["dry_run"], told["added"]) == (True, 5)


def test_the_report_tells_rate_stages_and_failures_by_reason(album: Path) -> None:
    told = json.loads(clipdex("index", album, "--model", "toy", "--json")[1])
    assert told["failed"] == {"not an image": 1}
    assert told["rate"] > 0
    assert {"scan", "read", "decode", "embed", "write"} <= told["stages"].keys()
    assert (told["stopped"], told["left"], told["model"]) == (False, 0, "toy")


def test_options_reach_the_run(album: Path) -> None:
    clipdex("index", album, "--model", "toy")
    assert "read" not in json.loads(clipdex("index", album, "--json")[1])["stages"]
    assert "read" in json.loads(clipdex("index", album, "--json", "--retry-failures")[1])["stages"]
    assert "read" in json.loads(clipdex("index", album, "--json", "--checksum")[1])["stages"]
    for number in range(3):
        (album / f"{number}.png").unlink()
    assert "index again with --allow-removal" in fails("index", album)
    assert json.loads(clipdex("index", album, "--json", "--allow-removal")[1])["removed"] == 3
    assert "time-limit" in fails("index", album, "--time-limit", "0")


def test_another_model_by_name_takes_over_and_the_one_before_may_be_kept(album: Path) -> None:
    clipdex("index", album, "--model", "tiny")
    out = clipdex("index", album, "--model", "toy", "--keep-old")[1]
    assert "4 added" in out and "the model is toy now, before it was tiny" in out
    assert clipdex("search", "red", album, "--limit", "1")[0] == 0
    assert clipdex("search", "red", album, "--model", "tiny", "--limit", "1")[0] == 0


SLOW = """
import pathlib, sys, time
from core.inference.toy import ToyEncoder
fast = ToyEncoder.encode_prepared
def slow(self, pixels):
    pathlib.Path(sys.argv[2], "embedding.txt").touch()
    time.sleep(0.5)
    return fast(self, pixels)
ToyEncoder.encode_prepared = slow
from app.cli import main
main(sys.argv[1:])
"""


def begun(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.serial
def test_ctrl_c_ends_after_the_batch_with_a_summary_and_130(tmp_path: Path) -> None:
    for number in range(400):
        paint(tmp_path / f"{number:03}.png", "red", number)
    with begun("index", tmp_path, "--model", "toy") as process:
        deadline = time.monotonic() + 300
        while not (tmp_path / "embedding.txt").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.6)  # in the second of seven batches, or a little later
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "stopping after this batch" in err and "Traceback" not in err
    assert "stopped: " in out and " left; the next run goes on from here" in out
    told = json.loads(clipdex("index", tmp_path, "--json")[1])
    assert told["unchanged"] >= 64 and told["unchanged"] + told["added"] == 400


@pytest.fixture
def watching(album: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "app.cli", "watch", str(album), "--model", "toy"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.serial
def test_a_watched_folder_stays_current_until_ctrl_c(album: Path, watching: subprocess.Popen[str]) -> None:
    assert watching.stdout is not None and watching.stderr is not None
    assert "4 added" in watching.stdout.readline()
    assert "1 failed" in watching.stdout.readline()
    paint(album / "new" / "5.png", "blue", 5)
    assert "1 added, 4 unchanged" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(120) == 130
    assert "Traceback" not in watching.stderr.read()


def test_the_runs_in_the_document_do_what_they_are_said_to_do(album: Path) -> None:
    page = (ROOT / "docs" / "indexing.md").read_text("utf-8")
    shown = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^clipdex index ~/Pictures.*$", page, re.M)]
    shown = [words for words in shown if "ViT-B-32/openai" not in words]  # is to be downloaded
    assert [words[2] for words in shown if len(words) > 2] == [
        *("--dry-run", "--json", "--strict", "--wait", "--allow-removal")
    ]
    clipdex("index", album, "--model", "toy")
    for words in shown:
        code, out, err = clipdex("index", album, *words[2:])
        assert (code, err) == (3 if "--strict" in words else 0, ""), words
        assert "4 unchanged" in out or '"unchanged": 4' in out


@pytest.mark.parametrize("command", ["index", "watch"])
def test_a_source_that_is_not_there_or_empty_is_told_before_a_download_is_announced(
    tmp_path: Path, command: str
) -> None:
    assert fails(command, tmp_path / "typo") == f"there is no folder {tmp_path / 'typo'}; is the disk connected?"
    assert fails(command, "").startswith("the source is empty: name a folder")


def test_a_source_cannot_be_indexed_and_removed(album: Path) -> None:
    clipdex("index", album, "--model", "toy")
    assert "say only one of them" in fails("index", album, "--remove-source", album)
    assert "the source is empty" in fails("index", album, "--remove-source", "")


def test_patterns_that_leave_nothing_are_named_and_can_be_taken_back(album: Path) -> None:
    clipdex("index", album, "--model", "toy")
    said = fails("index", album, "--include", "nothing*")
    assert said.startswith(f"the patterns (nothing*) leave nothing of {album}, and the collection has 4 images")
    assert "disk" not in said and "delete" not in said
    assert "4 unchanged" in clipdex("index", album, "--include", "")[1]


@pytest.mark.parametrize("option", ["--columns", "--image-column", "--id-column", "--caption-column"])
def test_a_folder_has_no_columns(album: Path, option: str) -> None:
    said = fails("index", album, "--model", "toy", option, "year")
    assert said == f"{option} is for tables and tar files, and this is a folder: leave it out"
    assert not (album / ".clipdex").exists()
