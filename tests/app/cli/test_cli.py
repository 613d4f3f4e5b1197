"""What does a person see who types a command?"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import typer

import app.cli
from app.cli import COMMANDS
from app.cli.output import printable
from app.formatting import format_pace, format_size
from tests.app.conftest import EACH, paint
from tests.shared import ROOT


def clipdex(*words: str | Path) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        app.cli.main([str(word) for word in words])
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def program(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def fails(*words: str | Path) -> str:
    """The message of a command that must end with exit code 2, one line on stderr and nothing on stdout."""
    code, out, err = clipdex(*words)
    assert code == 2, (out, err)
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err.removeprefix("error: ").rstrip("\n")


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory whose texts have room for 22 of its words."""
    from core.formats.model_dir import save_model
    from tests.core.small_models import small_model

    folder = tmp_path_factory.mktemp("short")
    clip, config, tokenizer = small_model()
    save_model(folder, clip, config, tokenizer, card="", origin={}, dtype="float32")
    return folder


# --- start-up and help -----------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from app.cli import build; build(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"torch", "lancedb", "streamlit", "faiss", "sklearn", "numpy", "PIL", "pyarrow", "clipdex"} == set()


def test_no_words_show_the_commands() -> None:
    code, out, err = clipdex()
    assert (code, err) == (0, "")
    assert [name for name in COMMANDS if name not in out] == []


def test_an_unknown_command_names_the_nearest() -> None:
    assert fails("serch", "red").startswith("no such command 'serch'. Did you mean 'search'?")


def test_an_unknown_option_names_the_nearest_first() -> None:
    assert fails("search", "--limt", "3", "red").startswith("no such option: --limt. Did you mean --limit")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "red", "--limit", "abc"), "--limit must be a whole number, not 'abc'"),
        (("search", "red", "-n", "1.5"), "--limit must be a whole number, not '1.5'"),
        (("search", "red", "-n", "0"), "--limit must be 1 or more, not '0'"),
        (("search", "red", "--offset=-3"), "--offset must be 0 or more, not '-3'"),
        (("search", "red", "--diverse", "much"), "--diverse must be a number, not 'much'"),
        (("index", ".", "--time-limit", "0"), "--time-limit must be 0.1 or more, not '0'"),
        (("ui", "--port", "99999"), "--port must be 65535 or less, not '99999'"),
    ],
)
def test_wrong_numbers_are_said_plainly(words: tuple[str, ...], message: str) -> None:
    assert fails(*words) == f"{message} (see `clipdex {words[0]} --help`)"


def test_a_missing_argument_is_one_line() -> None:
    assert fails("index") == "missing argument 'sources' (see `clipdex index --help`)"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = typer.Typer()
    broken.command("search")(lambda: 1 // 0)
    broken.command("other")(lambda: None)
    monkeypatch.setattr(app.cli, "build", lambda names: broken)
    with pytest.raises(ZeroDivisionError):
        app.cli.main(["search"])


def test_ctrl_c_ends_with_a_sentence_and_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    stopped = typer.Typer()
    stopped.command("search")(interrupted)
    stopped.command("other")(lambda: None)
    monkeypatch.setattr(app.cli, "build", lambda names: stopped)
    assert clipdex("search") == (130, "", "stopped by Ctrl-C; what was finished before is kept\n")


# --- index and status ------------------------------------------------------------------------------------------------


def test_index_reports_every_file_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / f"{number}.png", "red", number)
    (tmp_path / "bad.jpg").write_text("no image")
    code, out, _ = clipdex("index", tmp_path, "--model", "toy", "--json")
    first = json.loads(out)
    assert code == 0
    assert (first["added"], first["failed"], first["total"]) == (3, {"not an image": 1}, 4)
    second = json.loads(clipdex("index", tmp_path, "--json")[1])  # the collection knows its model
    assert (second["added"], second["unchanged"]) == (0, 3)


def test_index_prints_a_summary_and_quiet_prints_nothing(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", "red", 1)
    assert "1 added" in clipdex("index", tmp_path, "--model", "toy")[1]
    assert clipdex("index", tmp_path, "--model", "toy", "--quiet") == (0, "", "")


def test_captions_that_are_longer_than_the_model_reads_are_counted(tmp_path: Path, short_model: Path) -> None:
    for name, words in (("a", "the " * 23), ("b", "the " * 22), ("c", "a red dog\n" + "the blue sea " * 9)):
        paint(tmp_path / f"{name}.png", "red", ord(name))
        (tmp_path / f"{name}.txt").write_text(words)
    out = clipdex("index", tmp_path, "--model", short_model)[1]
    assert "4 captions, 2 captions are longer than the model reads" in out
    (tmp_path / "b.txt").write_text("the " * 22 + "sea")
    told = json.loads(clipdex("index", tmp_path, "--json")[1])
    assert (told["updated"], told["texts"], told["cut_captions"]) == (1, 4, 1)
    assert "longer" not in clipdex("index", tmp_path)[1]


def test_index_says_what_is_wrong_with_its_folder_and_its_model(tmp_path: Path) -> None:
    assert "no-such-folder" in fails("index", tmp_path / "no-such-folder", "--model", "toy")
    assert "toy" in fails("index", tmp_path, "--model", "toi")
    said = fails("index", tmp_path, "--model", "./mymodel")
    assert said.startswith("there is no model ./mymodel; no file or folder is at that path") and "toy" not in said


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "more.md").write_text("x")
    said = f"no images were found in {tmp_path} (2 other files passed over)\n"
    assert clipdex("index", tmp_path, "--model", "toy") == (0, said, "")
    assert clipdex("index", tmp_path)[1] == said


def test_a_pace_is_said_with_the_time_left() -> None:
    assert format_pace(84.4, 65) == "84 images/s, 1:05 left"
    assert format_pace(0.52, 7260) == "0.5 images/s, 2:01:00 left"
    assert format_pace(0.0, None) == ""


def test_status_counts_and_names_the_failures(collection: Path) -> None:
    code, out, _ = clipdex("status", collection)
    assert code == 0
    assert "toy" in out
    assert "1 × not an image" in out
    assert "broken.jpg" in out
    told = json.loads(clipdex("status", collection, "--json")[1])
    assert (told["images"], told["texts"], told["model"]) == (4 * EACH + 1, 4 * EACH + 1, "toy")
    assert {each["location"]: each["reason"] for each in told["failures"]} == {
        "broken.jpg": "not an image",
        "empty.png": "empty file",
    }
    updated = datetime.fromisoformat(told["updated"])
    assert "T" in told["updated"] and updated.tzinfo is not None
    assert f"updated     {updated.astimezone():%Y-%m-%d %H:%M} " in out


# --- search ----------------------------------------------------------------------------------------------------------


def test_search_prints_score_and_path_for_other_programs(collection: Path) -> None:
    code, out, err = clipdex("search", "red", collection, "--limit", "5")
    assert (code, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert len(rows) == 5
    assert all(Path(path).parent.name == "red" for _, path in rows)
    scores = [float(score) for score, _ in rows]
    assert scores == sorted(scores, reverse=True)


def test_search_looks_in_the_current_folder_and_upwards(collection: Path) -> None:
    done = program("search", "blue", "-n", "2", cwd=collection / "green")
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == [
        path for path in (line.split("\t")[1] for line in done.stdout.splitlines()) if "/blue/" in path
    ]
    beneath = program("search", "blue", "-n", "1", cwd=collection)
    assert beneath.stdout.split("\t")[1].startswith("blue/")
    assert beneath.stderr == ""


def test_search_json_holds_the_question_and_the_hits(collection: Path) -> None:
    told = json.loads(clipdex("search", "green", collection, "--limit", "3", "--offset", "2", "--json")[1])
    assert (told["query"], told["limit"], told["offset"], told["target"]) == ("green", 3, 2, "images")
    assert [hit["rank"] for hit in told["hits"]] == [3, 4, 5]
    hit = told["hits"][0]
    assert {"rank", "score", "id", "path", "caption", "width", "height"} <= set(hit)
    assert hit["id"].startswith("green/")
    assert Path(hit["path"]).is_file()
    assert hit["caption"].startswith("a green card")
    assert told["cut_from"] is None


def test_words_that_the_model_does_not_read_are_named(tmp_path: Path, short_model: Path) -> None:
    paint(tmp_path / "a.png", "red", 1)
    assert clipdex("index", tmp_path, "--model", short_model, "-q") == (0, "", "")
    code, out, err = clipdex("search", "the " * 22 + "blue sea", tmp_path)
    assert (code, out.count("\n")) == (0, 1)
    assert err.startswith("note: the model ignores 'blue'")
    assert json.loads(clipdex("search", "the " * 22 + "blue sea", tmp_path, "--json")[1])["cut_from"] == "blue"
    assert "reads no further" not in clipdex("search", "the " * 22, tmp_path)[2]


def test_pages_of_a_search_join_to_the_whole(collection: Path) -> None:
    def ids(*options: str) -> list[str]:
        return [hit["id"] for hit in json.loads(clipdex("search", "red", collection, *options, "--json")[1])["hits"]]

    assert ids("--limit", "4") + ids("--limit", "4", "--offset", "4") == ids("--limit", "8")


def test_by_an_example_the_only_word_is_the_folder(collection: Path) -> None:
    like = json.loads(clipdex("search", "--like", "blue/blue-03.png", collection, "--limit", "1", "--json")[1])
    assert like["query"] is None
    assert like["hits"][0]["id"] == "blue/blue-03.png"
    assert like["hits"][0]["score"] == pytest.approx(1, abs=1e-3)
    file = collection / "yellow" / "yellow-07.png"
    image = json.loads(clipdex("search", "--image", file, collection, "--limit", "1", "--json")[1])
    assert image["hits"][0]["id"] == "yellow/yellow-07.png"


def test_search_finds_captions_too(collection: Path) -> None:
    out = clipdex("search", "yellow", collection, "--texts", "--limit", "1")[1]
    assert out.split("\t")[1].startswith("a yellow card")


def test_a_collection_kept_elsewhere_is_searched_by_its_folder(tmp_path: Path) -> None:
    paint(tmp_path / "pictures" / "a.png", "red", 1)
    assert clipdex("index", tmp_path / "pictures", "--to", tmp_path / "kept", "--model", "toy", "-q")[0] == 0
    assert clipdex("search", "red", tmp_path / "kept")[1].endswith("a.png\n")


def test_searches_that_cannot_be_answered_say_why(collection: Path, tmp_path: Path) -> None:
    assert "clipdex index" in fails("search", "red", tmp_path)
    assert "empty" in fails("search", "", collection)
    assert "10,200 words" in fails("search", "a red car " * 3400, collection)
    assert "not an image" in fails("search", "--image", collection / "broken.jpg", collection)
    assert "nearest: red/red-1" in fails("search", "--like", "red/red-1.png", collection)
    assert 'clipdex search "red car"' in fails("search", "red", "car")
    assert "there is no folder" in fails("search", "red", "car " * 2000)
    assert "2,000 words" in fails("search", "car " * 2000, collection, "--like", "red/red-01.png")
    assert "--image FILE" in fails("search")
    assert "not between 1 and" in fails("search", "red", collection, "--limit", "1000000")


def test_names_that_no_file_can_have_are_refused_in_one_line(collection: Path) -> None:
    picture, labels = collection / "red" / "red-00.png", ("--labels", "red,blue")
    said = fails("classify", picture, *labels, "--model", "toy", "--templates", "a photo of a {} " * 20)
    assert said.startswith("the templates 'a photo") and said.endswith("cannot be read: File name too long")
    for model in ("x" * 300, "folder/" * 700 + "model"):
        said = fails("classify", picture, *labels, "--model", model)
        assert said.startswith("there is no model '") and said.endswith("that can be read: File name too long")
    assert "home directory" in fails("classify", picture, *labels, "--model", "~nobody-of-this-name/model")


def test_the_wrong_model_is_refused(collection: Path, tmp_path: Path) -> None:
    info = shutil.copytree(collection, tmp_path / "copy") / ".clipdex" / "collection.json"
    value = json.loads(info.read_text())
    value["model"]["fingerprint"] = "0" * 64
    info.write_text(json.dumps(value))
    assert "was made by the model toy (000000000000)" in fails("search", "red", tmp_path / "copy")
    assert "choose" in fails("search", "red", collection, "--model", "nothing-like-it")


def test_a_name_that_is_no_utf8_is_written_as_the_bytes_it_has(tmp_path: Path) -> None:
    paint(tmp_path / "x.png", "red", 1)
    (tmp_path / "x.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    assert clipdex("index", tmp_path, "--model", "toy", "-q")[0] == 0
    command = [sys.executable, "-m", "app.cli", "search", "red", str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip(b"\n").endswith(b"/caf\xe9.png")


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mred\nline") == "a\\x1b[31mred\\x0aline"
    assert printable("grün 日本 🙂") == "grün 日本 🙂"


def test_a_closed_pipe_is_quiet(collection: Path) -> None:
    command = f"'{sys.executable}' -m app.cli search red '{collection}' --limit 80 | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


# --- describe, classify, ui, evaluate --------------------------------------------------------------------------------


def test_describe_ranks_the_captions(collection: Path) -> None:
    told = json.loads(clipdex("describe", collection / "blue" / "blue-00.png", collection, "-n", "4", "--json")[1])
    assert [hit["caption"].split()[1] for hit in told["hits"]] == ["blue"] * 4


def test_classify_gives_probabilities(collection: Path) -> None:
    pictures = [collection / "red" / "red-00.png", collection / "green" / "green-00.png"]
    told = json.loads(clipdex("classify", *pictures, "--labels", "red, green, blue", "--model", "toy", "--json")[1])
    assert [row["labels"][0]["name"] for row in told["images"]] == ["red", "green"]
    assert [sum(label["probability"] for label in row["labels"]) for row in told["images"]] == pytest.approx([1, 1])
    out = clipdex("classify", pictures[1], "--labels", "red,green", "--model", "toy")[1]
    assert out.split("\t")[1:2] == ["green"]


def test_classify_says_what_it_needs(collection: Path) -> None:
    picture = collection / "red" / "red-00.png"
    assert "two different labels" in fails("classify", picture, "--labels", "cat,cat", "--model", "toy")
    assert "--labels" in fails("classify", picture)
    assert "broken.jpg" in fails("classify", collection / "broken.jpg", "--labels", "a,b", "--model", "toy")
    assert "80" in fails("classify", picture, "--labels", "a,b", "--templates", "8", "--model", "toy")


def test_a_taken_port_and_a_folder_without_collection_stop_the_app_at_once(collection: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be used" in fails("ui", collection, "--port", str(port))
    assert "clipdex index" in fails("ui", tmp_path)


def test_evaluate_prints_a_table_or_one_object(collection: Path) -> None:
    told = json.loads(clipdex("evaluate", "zeroshot", collection, "--model", "toy", "--templates", "1", "--json")[1])
    assert told["n"] == 4 * EACH + 1
    assert told["top1"] == 1.0
    out = clipdex("evaluate", "retrieval", collection, "--model", "toy")[1]
    assert "text to image" in out
    assert "recall_at_10" in out
    assert "no-such" in fails("evaluate", "zeroshot", collection / "no-such", "--model", "toy")


def test_the_demo_leaves_a_folder_of_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "choose another folder" in fails("demo", "--folder", tmp_path, "--model", "toy", "--no-ui")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "is a file" in fails("demo", "--folder", tmp_path / "mine.txt", "--model", "toy", "--no-ui")


def test_the_demo_paints_indexes_and_searches(tmp_path: Path) -> None:
    code, out, err = clipdex("demo", "--folder", tmp_path / "demo", "--n", "3", "--model", "toy", "--no-ui")
    assert code == 0, err
    assert "3 added" in out
    assert out.count("$ clipdex search") >= 3
    assert out.count("scene-0000") >= 9
    assert (
        "holds 3 painted scenes already"
        in clipdex("demo", "--folder", tmp_path / "demo", "--n", "2", "--model", "toy", "--no-ui")[1]
    )


def test_sizes_are_said_as_people_say_them() -> None:
    assert [format_size(10), format_size(1500), format_size(24_400_000)] == ["10 bytes", "1.5 kB", "24.4 MB"]
