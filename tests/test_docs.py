"""Types what the documents show being typed, and compares the answers."""

from __future__ import annotations

import itertools
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.readme_session import PAGES, README, ROOT, Session, blocks, rewritten, steps
from tests.tolerance import agrees

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PAGE = README.read_text("utf-8")


def test_the_pages_show_what_really_happens(tmp_path: Path) -> None:
    session, wrong = Session(tmp_path), []
    assert "300 added" in session.before, session.before
    for path in PAGES:
        for step in steps(path.read_text("utf-8")):
            got = session.run(step)
            if not agrees(step.promised, got):
                wrong.append(f"{path.name}:{step.start}: {step.typed}\n--- promised\n{step.promised}--- came\n{got}")
    assert not wrong, "\n".join(wrong) + "\n`make docs` writes what came into the pages"


def test_readme_has_a_python_session_and_shell_commands() -> None:
    kinds = [step.kind for step in steps(PAGE)]
    assert kinds.count("console") >= 3
    assert kinds.count("pycon") >= 2
    assert all(step.promised for step in steps(PAGE) if step.kind == "console"), "every command shows its answer"


def test_only_promises_that_do_not_hold_are_written_anew() -> None:
    page = "A\n```console\n$ one\n1  0.636  a\n$ two\n2  0.608  b\n$ three\n... c\n```\nB\n"
    one, two, three = steps(page)
    came = [(one, "1  0.635  a\n"), (two, "2  0.600  b\n3  0.5  c\n"), (three, "anything c\n")]
    assert rewritten(page, came) == page.replace("2  0.608  b\n", "2  0.600  b\n3  0.5  c\n")


def commands() -> dict[str, Any]:
    """Every command by its words: "search", "evaluate zeroshot", …"""
    import typer

    from app.cli import build

    found: dict[str, Any] = {}

    def add(name: str, command: Any) -> None:
        inside = getattr(command, "commands", None)
        if inside is None:
            found[name] = command
        for word, each in (inside or {}).items():
            add(f"{name} {word}".strip(), each)

    add("", typer.main.get_command(build()))
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_is_documented_and_explains_itself(name: str) -> None:
    command = commands()[name]
    assert command.help and len(command.help) > 10
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []
    assert any(f"clipdex {name}" in page.read_text("utf-8") for page in DOCUMENTS), f"no document shows clipdex {name}"


def shown_commands() -> list[tuple[str, list[str]]]:
    """(document, words) of every clipdex command that a document shows, run or not."""
    found = []
    for document in DOCUMENTS:
        page = document.read_text("utf-8")
        for language in ("sh", "console"):
            for _, text in blocks(page, language):
                for line in text.splitlines():
                    words = shlex.split(line.removeprefix("$ "), comments=True)
                    if words[:1] == ["clipdex"] and (language == "sh" or line.startswith("$ ")):
                        found.append((document.name, words[1:]))
    return found


def test_commands_in_the_documents_exist_with_all_their_options() -> None:
    known, wrong = commands(), []
    for document, words in shown_commands():
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        if name.startswith("-"):
            continue
        if name not in known:
            wrong.append(f"{document}: there is no command clipdex {name}")
            continue
        options = {text for option in known[name].params for text in (*option.opts, *option.secondary_opts)}
        before = itertools.takewhile(lambda word: word != "--", words)  # words and folders come after it
        given = {word.split("=")[0] for word in before if re.match(r"--?[a-z]", word)}
        wrong += [f"{document}: clipdex {name} has no {option}" for option in given - options - {"--help", "-h"}]
    assert shown_commands()
    assert not wrong, "\n".join(wrong)


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    shown = {
        word
        for page in DOCUMENTS
        for _, text in blocks(page.read_text("utf-8"), "sh")
        for word in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, flags=re.MULTILINE)
    }
    assert {"demo", "test"} <= shown <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_to_files_that_exist(document: Path) -> None:
    page = document.read_text("utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", page)
    inside = [a or b for a, b in links if not re.match(r"[a-z]+:|#", a or b)]
    assert [link for link in inside if not (document.parent / link.split("#")[0]).exists()] == []
    code = re.findall(r"`((?:app|core|indexer|train|tests|benchmarks|docs)/[\w/.-]+)`", page)
    assert [path for path in code if not (ROOT / path).exists()] == []


def test_the_python_face_is_documented() -> None:
    import clipdex

    public = {name: getattr(clipdex, name) for name in clipdex.__all__}
    assert {"index", "open", "Hit", "Report", "Status", "ClipdexError", "load_encoder"} <= public.keys()
    assert [name for name, value in public.items() if callable(value) and not value.__doc__] == []


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
