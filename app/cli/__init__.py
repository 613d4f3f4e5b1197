"""Builds the command line from one file per command, and prints errors as one line.

`clipdex --help` must be instant, so a command module imports only typer at its top and the library inside its
function. The library raises; this file is the edge that prints one line and exits: 2 for an expected problem,
130 for Ctrl-C. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
import itertools
import os
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from app.cli.output import fail, note
from core.errors import ClipdexError, ClipdexWarning, ModelError

# One line a command: `app/cli/commands/NAME.py` holds `command`, a function or (for a group) a typer app.
COMMANDS = (
    *("index", "watch", "search", "describe", "classify", "status", "failures", "verify", "compact", "optimize"),
    *("duplicates", "tag", "concept"),
    *("import", "export", "ui", "demo", "train", "evaluate", "models"),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed_version

        try:
            print(f"clipdex {installed_version('clipdex')}")
        except PackageNotFoundError:
            print("clipdex, from a checkout that is not installed")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find images by meaning."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line as a typer app, with the commands of these names."""
    app = typer.Typer(
        name="clipdex",
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    for name in names:
        command = importlib.import_module(f"app.cli.commands.{name}").command
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 2 an expected problem, 130 stopped by Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):  # a file name that is not UTF-8 is written as the bytes it has
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["search"], ["index"]):
        # Threads that wait awake for each other cost a query more than its sums do, several times as much where other
        # programs are at work: those of PyTorch sleep, and NumPy has only one.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        if given[0] == "search":
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # To describe all commands takes as long as to start one: only help and errors about names need that.
    command = typer.main.get_command(build([given[0]] if given and given[0] in COMMANDS else COMMANDS))
    plain = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        note(str(message)) if issubclass(category, ClipdexWarning) else plain(message, category, *where, **more)

    warnings.showwarning = show
    try:
        code = command.main(args=arguments, prog_name="clipdex", standalone_mode=False)
        sys.stdout.flush()
    except ClipdexError as error:
        code = fail(_with_hint(error, given))
    except typer.TyperException as error:
        code = fail(_usage_message(error, given))
    except (KeyboardInterrupt, typer.Abort):
        code = _stopped()
    except (BrokenPipeError, SystemExit):  # typer turns the first into the second
        # The reader (`head`, `less`) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == 130:
        code = _stopped()
    sys.exit(code if isinstance(code, int) else 0)


def _stopped() -> int:
    fail("stopped by Ctrl-C; what was finished before is kept", prefix="")
    return 130


def _usage_message(error: typer.TyperException, arguments: Sequence[str]) -> str:
    """One line for a wrong option or command: what is wrong, the nearest choice, where to read on."""
    if word := _words_with_minus(error, arguments):
        return (
            f"{word!r} looks like an option: put words that begin with a minus behind --, after all options "
            f"(clipdex search --limit 5 -- {shlex.quote(word)} FOLDER){_or_without(word)}"
        )
    message = _wrong_number(error) or error.format_message().strip().rstrip(".")
    if possible := getattr(error, "possibilities", None):  # a wrong option: the nearest one first, as everywhere
        nearest = difflib.get_close_matches(error.option_name, possible, n=3, cutoff=0)  # type: ignore[attr-defined]
        message = f"{error.message.rstrip('.')}. Did you mean {' or '.join(nearest)}?"
    words = [word for word in arguments if not word.startswith("-")]
    where = f"clipdex {words[0]}" if words and words[0] in COMMANDS else "clipdex"
    if message.startswith("No such command") and "Did you mean" not in message and words:
        near = difflib.get_close_matches(words[0], COMMANDS, n=1, cutoff=0.3)
        message += f". Did you mean {near[0]!r}?" if near else f"; the commands are: {', '.join(COMMANDS)}"
    message = message[:1].lower() + message[1:]
    return f"{' '.join(message.split())} (see `{where} --help`)"


def _with_hint(error: ClipdexError, arguments: Sequence[str]) -> str:
    """What went wrong. `clipdex search -mountain` means the model "ountain", which nobody meant."""
    said = str(error)
    if arguments[:1] != ["search"] or not (isinstance(error, ModelError) or "say what to find" in said):
        return said
    before_words = itertools.takewhile(lambda word: word != "--", arguments)
    word = next((word for word in before_words if re.match(r"-m[^\W\d_]", word)), None)
    if word is None or (isinstance(error, ModelError) and word[2:] not in said):
        return said
    return (
        f"{word!r} was taken for the option -m with the model {word[2:]!r}: put words that begin with a minus behind "
        f"--, after all options (clipdex search --limit 5 -- {shlex.quote(word)} FOLDER){_or_without(word)}"
    )


def _or_without(word: str) -> str:
    """The other way to say "-snow"; of several words, filters and concepts it would mean something else."""
    return f", or write --without {word[1:]}" if re.fullmatch(r"-[^\W\d_][\w-]*", word) else ""


def _words_with_minus(error: typer.TyperException, arguments: Sequence[str]) -> str | None:
    """The words of a search that were taken for short options, such as "-snow"; None where it is something else."""
    if "search" not in arguments or getattr(error, "option_name", "-").startswith("--"):
        return None
    options = itertools.takewhile(lambda word: word != "--", arguments)
    words = (word for word in options if re.match(r"-[^\W\d_]{2}|-[(\"\d]", word))
    if letter := getattr(error, "option_name", ""):  # one that there is not
        return next((word for word in words if letter[1:] in word), None)
    value = next((problem["input"] for problem in _problems(error)), None)  # "-night" is --limit with the value "ight"
    return next((word for word in words if word[2:] == value), None)


def _problems(error: typer.TyperException) -> list[dict[str, Any]]:
    """What pydantic found wrong with the value of an option."""
    find = getattr(error.__cause__, "errors", None)
    return list(find()) if find is not None else []


def _wrong_number(error: typer.TyperException) -> str | None:
    """What is wrong with the value of an option that is a number, in plain words; None where it is something else."""
    problems, parameter = _problems(error), getattr(error, "param", None)
    if not problems or parameter is None:
        return None
    problem = problems[0]
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float":
            wanted = "a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            wanted = "a number"
        case "greater_than_equal":
            wanted = f"{limits['ge']} or more"
        case "less_than_equal":
            wanted = f"{limits['le']} or less"
        case _:
            return None
    return f"{max(parameter.opts, key=len)} must be {wanted}, not {str(problem['input'])!r}"
