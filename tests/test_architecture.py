"""Checks what ARCHITECTURE.md promises, by reading the files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tree import BLOCK, FACES, PACKAGES, ROOT, expected_tree, first_line, modules, parsed, short

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# core <- train, core <- indexer, all three <- app.  The Python face stands beside the app and knows no training.
MAY_IMPORT = {
    "core": {"core"},
    "train": {"core", "train"},
    "indexer": {"core", "indexer"},
    "clipdex": {"core", "indexer"},
    "app": {"app", "clipdex", "core", "indexer", "train"},
    "streamlit_app": {"app", "clipdex"},
}
# Where a library may be used at all.
HOME_OF = {
    "faiss": {"indexer"},
    "lancedb": {"indexer"},
    "matplotlib": {"indexer", "train"},
    "open_clip": {"core"},
    "sklearn": {"train"},
    "streamlit": {"app", "streamlit_app"},
    "torch": {"core", "train"},
    "transformers": {"core"},
    "typer": {"app"},
}
# What `clipdex --help` and `import clipdex` do not wait for.
SLOW = {"torch", "lancedb", "streamlit", "faiss", "sklearn", "matplotlib", "scipy", "pandas", "pyarrow", "tokenizers"}
SLOW |= {"open_clip", "transformers", "onnxscript"}
NETWORK = {"aiohttp", "ftplib", "http.client", "httpx", "huggingface_hub", "requests", "urllib.request", "urllib3"}
# The only files that may: when a model is asked for by its name on a hub; and an image by its address, where the app
# was started to allow that.
ASKS_THE_NETWORK = {"core/formats/hub.py", "core/formats/hub_errors.py", "app/server/remote_image.py"}
PICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
LONGEST_FUNCTION = 75


def house(path: Path) -> str:
    """The package, or the face, that a module belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(place, dotted name) of everything that a module imports, at its top or inside a function."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((f"{short(path)}:{node.lineno}", alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{short(path)}:{node.lineno}", "." * node.level + (node.module or "")


def calls(path: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """(place, dotted name, call) of every call in a module."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            yield f"{short(path)}:{node.lineno}", ast.unparse(node.func), node


# --- who imports whom ------------------------------------------------------------------------------------------------


def test_imports_go_one_way() -> None:
    ours = set(PACKAGES) | set(FACES)
    found = [(place, name, house(path)) for path in modules() for place, name in imports(path)]
    wrong = [
        f"{place} imports {name}; {owner} may import only {', '.join(sorted(MAY_IMPORT[owner]))}"
        for place, name, owner in found
        if name.split(".")[0] in ours - MAY_IMPORT[owner] or name.startswith(".")
    ]
    assert not wrong, "\n".join(wrong)
    assert any(owner == "app" and name.startswith("indexer") for _, name, owner in found), "the test sees imports"


def graph() -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports anywhere, in functions and for types as well."""
    names = {dotted(path): path for path in modules()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        found[name] = set()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                given = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                given = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for each in given:
                target = each if each in names else each.rpartition(".")[0]
                if target in names and target != name:
                    found[name].add(target)
    return found


def dotted(path: Path) -> str:
    return short(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    """`core.text` of `core.text.tokenizer`; a module that stands beside the rooms is one by itself."""
    return ".".join(name.split(".")[:2])


def circles(arrows: dict[str, set[str]]) -> set[str]:
    """The names that are part of a circle, or lie between two; none where there is no circle."""
    left = {name: {other for other in others if other != name} for name, others in arrows.items()}
    while ends := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in ends}
    return {name for name in left if any(name in others for others in left.values())}


def test_no_circles_between_files_or_rooms() -> None:
    files = graph()
    assert circles(files) == set()
    rooms: dict[str, set[str]] = {}
    for name, others in files.items():
        rooms.setdefault(room(name), set()).update(room(other) for other in others)
    assert circles(rooms) == set()
    assert len(rooms["indexer.search"]) > 3, "the test sees arrows"
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == {"b", "c"}


def test_each_library_stays_in_its_house() -> None:
    wrong = [
        f"{place} imports {name}; {name} belongs in {' and '.join(sorted(HOME_OF[name.split('.')[0]]))}"
        for path in modules()
        for place, name in imports(path)
        if house(path) not in HOME_OF.get(name.split(".")[0], {house(path)})
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_reaches_for_the_network_or_unpickles() -> None:
    wrong = [
        f"{place} imports {name}"
        for path in modules()
        for place, name in imports(path)
        if any(name == banned or name.startswith(f"{banned}.") for banned in PICKLES | _network_banned_in(path))
    ]
    for path in modules():
        for place, name, call in calls(path):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            if name == "torch.load" and given.get("weights_only") != "True":
                wrong.append(f"{place} calls torch.load without weights_only=True")
            if name in {"np.load", "numpy.load"} and given.get("allow_pickle", "False") != "False":
                wrong.append(f"{place} allows pickles in np.load")
    assert not wrong, "\n".join(wrong)


def _network_banned_in(path: Path) -> set[str]:
    return set() if short(path) in ASKS_THE_NETWORK else NETWORK


def test_the_library_raises_and_only_the_edge_prints_or_exits() -> None:
    edge = {"app", "streamlit_app"}
    banned = {"print", "sys.exit", "exit", "quit", "os._exit"}
    wrong = [
        f"{place} calls {name}" for path in modules() if house(path) not in edge for place, name, _ in calls(path)
        if name in banned
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "code",
    [
        "import clipdex",
        "import app.cli; app.cli.build()",
        "from app.cli import main; main(['--help'])",
        "from app.cli import main; main(['search', '--help'])",
        "from app.cli import main; main(['evaluate', 'zeroshot', '--help'])",
    ],
)
def test_help_and_import_wait_for_no_slow_library(code: str) -> None:
    script = (
        "import sys\n"
        f"try:\n    {code}\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"slow = sorted({SLOW!r} & set(sys.modules))\n"
        "sys.stderr.write(' '.join(slow))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", f"{code!r} imported {done.stderr}"


# --- the shape of the files ------------------------------------------------------------------------------------------


def test_every_module_says_first_what_it_does() -> None:
    assert [short(path) for path in modules() if not first_line(path)] == []


def test_functions_stay_short() -> None:
    wrong = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    wrong.append(f"{short(path)}:{node.lineno} {node.name} has {length} lines: > {LONGEST_FUNCTION}")
    assert not wrong, "\n".join(wrong)


def test_the_file_tree_in_the_docs_is_the_one_on_disk() -> None:
    page = (ROOT / "docs" / "files.md").read_text("utf-8")
    shown = BLOCK.search(page)
    assert shown is not None, "docs/files.md holds no ```text block"
    assert shown[1] == expected_tree(), "`make docs` writes the tree into docs/files.md"


def texts() -> list[Path]:
    """Everything a person may read here."""
    names = ["*.md", "*.toml", "Makefile", "constraints.txt", ".ci/run", "docs/*.md", ".gitignore"]
    inside = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    recipes = list((ROOT / "train").rglob("*.toml"))
    return sorted({*modules(), *inside, *recipes, *(path for name in names for path in ROOT.glob(name))})


def test_no_text_names_a_place_on_one_persons_machine() -> None:
    place = re.compile(r"(?<![\w.~*])/(?:home|root|work|Users)/\w")
    wrong = [
        f"{short(path)}:{number} {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if place.search(line)
    ]
    assert not wrong, "\n".join(wrong)


# --- what is installed -----------------------------------------------------------------------------------------------


def test_pyproject_lists_every_package_module_and_data_file() -> None:
    listed = PYPROJECT["tool"]["setuptools"]
    folders = {short(path.parent).replace("/", ".") for path in modules() if path.parent != ROOT}
    assert sorted(listed["packages"]) == sorted(folders)
    assert sorted(listed["py-modules"]) == sorted(FACES)
    missing = [
        short(path)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and not _covered(path, listed["package-data"])
    ]
    assert missing == [], "no pattern of tool.setuptools.package-data covers these files"


def _covered(path: Path, patterns: dict[str, list[str]]) -> bool:
    package, *inside = path.relative_to(ROOT).parts
    return any(
        len(Path(pattern).parts) == len(inside) and fnmatch("/".join(inside), pattern)
        for pattern in patterns.get(package, [])
    )


def requirements() -> list[Requirement]:
    project = PYPROJECT["project"]
    every = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [requirement for line in every if (requirement := Requirement(line)).name != "clipdex"]


def test_constraints_pin_every_requirement_to_a_version_that_it_allows() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line[:1] not in {"#", ""}]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == [], "plain name==version, no hosts"
    pins = {_normal(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert pins["torch"] == "2.13.0"
    only_with_a_gpu = {"faiss-gpu"}
    for requirement in requirements():
        assert requirement.specifier, f"{requirement.name} has no lower bound"
        if requirement.name not in only_with_a_gpu:
            assert requirement.specifier.contains(pins[_normal(requirement.name)]), requirement


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_imported_is_required_by_the_project() -> None:
    known_as = {"PIL": "pillow", "faiss": "faiss-cpu", "open_clip": "open_clip_torch", "sklearn": "scikit-learn"}
    required = {_normal(requirement.name) for requirement in requirements()}
    brought = {"starlette"}  # streamlit's own server, whose types its routes are made of
    wrong = [
        f"{place} imports {name}"
        for path in modules()
        for place, name in imports(path)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names
        and top not in {*PACKAGES, *FACES}
        and _normal(known_as.get(top, top)) not in required | brought
    ]
    assert not wrong, "\n".join(wrong)
