"""Resolves a model on the Hugging Face hub to a verified folder on this disk.

    name ─> repository and revision ─> the hub's cache, or a download ─> verified files ─> a folder of links to them

Names are those of `core/formats/model_catalog.py` and `hf:owner/repo[@revision]`. Naming one is asking for it, and the
only way to the network in this project. What is in the cache is used without asking the hub, so a model stays the same
until its cache is removed. The folder of links holds one format only (repositories often offer several side by side),
and beside it stands where the files came from: `origin`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import ModelError
from core.formats.hub_errors import UnreachableError, hub_errors
from core.formats.model_catalog import BY_NAME, Description

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

RECOMMENDED_MODEL = "ViT-B-32-256/datacomp_s34b_b86k"
PREFIX = "hf:"
VOCABULARY = "hf:openai/clip-vit-base-patch32"  # holds the vocabulary that OpenAI published, for models without one

# The first pair of a configuration and weights that is complete makes the model; a pattern stands for all its matches.
FORMATS = (
    ("open_clip_config.json", r"open_clip_model\.safetensors"),
    ("open_clip_config.json", r"open_clip_pytorch_model\.safetensors"),
    ("open_clip_config.json", r"open_clip_pytorch_model\.bin"),
    ("config.json", r"model\.safetensors"),
    ("config.json", r"model\.safetensors\.index\.json|model-\d{5}-of-\d{5}\.safetensors"),
    ("config.json", r"pytorch_model\.bin"),
    ("config.json", r"pytorch_model\.bin\.index\.json|pytorch_model-\d{5}-of-\d{5}\.bin"),
)
TOKENIZER = (
    *("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "vocab.txt"),  # other families
)
MERGES = "merges.txt"
VOCABULARIES = {"tokenizer.json", MERGES}
BESIDE = {
    "open_clip_config.json": TOKENIZER,
    "config.json": (*TOKENIZER, "preprocessor_config.json", "processor_config.json", "card.md", "origin.json"),
}
CONFIGS = tuple(BESIDE)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Reference:
    """A model on the hub. `description` is None for one that is only known by its repository.

    `family` is the package that loads it, whose format it has to be, or None for a model that becomes one of ours.
    """

    name: str
    repo: str
    revision: str | None
    description: Description | None = None
    family: Literal["openclip", "transformers"] | None = None

    @property
    def configs(self) -> tuple[str, ...]:
        """The configuration files of the formats that may be meant, the preferred one first."""
        formats = {"openclip": CONFIGS[:1], "transformers": CONFIGS[1:], None: CONFIGS}
        return formats[self.format]

    @property
    def format(self) -> Literal["openclip", "transformers"] | None:
        """Which of a repository's formats is meant; None if the preferred one is."""
        return self.description.format if self.description else self.family

    def __str__(self) -> str:
        return self.repo + (f"@{self.revision}" if self.revision else "")


def find(name: str) -> Reference | None:
    """The model that a name means; None for what is no name of the hub. Raises `ModelError` for half a name."""
    if name in BY_NAME:
        known = BY_NAME[name]
        return Reference(known.name, known.repo, known.revision, known)
    if not name.startswith(PREFIX):
        return None
    repo, at, revision = name.removeprefix(PREFIX).partition("@")
    parts = repo.split("/")
    if len(parts) != 2 or not all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts):
        raise ModelError(f"{name!r} is not hf:OWNER/REPOSITORY or hf:OWNER/REPOSITORY@REVISION")
    if at and not re.fullmatch(r"\w[\w./-]*", revision, re.ASCII):
        raise ModelError(f"{name!r} has no usable revision after @; it is a branch, a tag or a commit")
    return Reference(name, repo, revision or None)


def names() -> list[str]:
    """Every name and alias of a known model."""
    return list(BY_NAME)


def resolve(name: str, *, download: bool = True) -> Path:
    """A local folder that holds the files of a model, and nothing else of its repository.

    From the cache if it is there, else downloaded. Raises `ModelError`, with the ways on, when neither works.
    """
    reference = find(name)
    if reference is None:
        raise ModelError(f"{name!r} is not a model on the hub; `clipdex models list` shows the known ones")
    return fetch(reference, download=download)


def fetch(reference: Reference, *, download: bool = True) -> Path:
    """`resolve` for a reference, which may be that of another family."""
    found = here(reference)
    if found is not None:
        return found
    try:
        if not download:
            raise UnreachableError(
                f"{reference.name} is not on this machine; naming it downloads it (--model {reference.name}), or copy "
                f"a cache that holds it and set HF_HOME to it"
            )
        return _download(reference)
    except UnreachableError:
        left = _left_behind(reference)
        if left is None:
            raise
        return left


def here(reference: Reference) -> Path | None:
    """The folder of a model that is completely on this disk already; asks nobody."""
    snapshot = _snapshot(reference)
    if snapshot is None:
        return None
    folder = _view(reference, snapshot.name)
    origin = read_origin(folder)
    if origin and all((folder / file).is_file() for file in origin["files"]):
        return folder
    # Other programs fill the same cache, with the files that they need. Only the first format is surely the one that a
    # download would choose, and without a vocabulary it may be half a model.
    files = needed(_names(snapshot), reference.configs)
    if files is None or files[0] != reference.configs[0] or not _reads_texts(reference, files):
        return None
    return _link(reference, snapshot, folder, {file: _name_hash(snapshot / file) for file in files})


def is_here(reference: Reference) -> bool:
    """Whether all files of a model are on this disk; reads none of them and asks nobody."""
    snapshot = _snapshot(reference)
    if snapshot is None:
        return False
    files = needed(_names(snapshot), reference.configs)
    linked = read_origin(_view(reference, snapshot.name))
    return files is not None and (linked is not None or _reads_texts(reference, files))


def _left_behind(reference: Reference) -> Path | None:
    """A model in any format, with a vocabulary or without: better than none where the hub cannot be asked."""
    snapshot = _snapshot(reference)
    files = needed(_names(snapshot), reference.configs) if snapshot else None
    if snapshot is None or files is None:
        return None
    folder = _view(reference, snapshot.name, "-as-found")
    return _link(reference, snapshot, folder, {file: _name_hash(snapshot / file) for file in files})


def _reads_texts(reference: Reference, files: Collection[str]) -> bool:
    """Whether the files hold a vocabulary. open_clip brings its own for most models."""
    return reference.family == "openclip" or bool((set(TOKENIZER) if reference.family else VOCABULARIES) & set(files))


def _names(snapshot: Path) -> list[str]:
    return [file.name for file in snapshot.iterdir() if file.is_file()]


def read_origin(folder: Path) -> dict[str, Any] | None:
    """Where a folder that `resolve` returned came from: repository, commit, sha256 of every file; None for others."""
    try:
        origin = json.loads(_beside(folder).read_text("utf-8"))
        return origin if isinstance(origin["files"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def vocabulary(name: str = VOCABULARY, *, download: bool = True) -> Path:
    """The list of merges of a repository's vocabulary, for models that come without one; OpenAI's unless named.

    Raises `ModelError` like `resolve`.
    """
    _quiet()
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    reference = find(name)
    if reference is None:
        raise ModelError(f"{name!r} is not a repository on the hub; its name is hf:OWNER/REPOSITORY")
    repo, revision, what = reference.repo, reference.revision, f"the vocabulary of {reference}"
    found = try_to_load_from_cache(repo, MERGES, revision=revision)
    if not isinstance(found, str):
        if not download:
            raise UnreachableError(f"{what} is not on this machine")
        with hub_errors(what, repo, revision, "asking", ways="name another file with --tokenizer PATH"):
            found = hf_hub_download(repo, MERGES, revision=revision)
    _verified(reference, Path(found), _name_hash(Path(found)))
    return Path(found)


def needed(names: Collection[str], configs: Collection[str] = CONFIGS) -> list[str] | None:
    """Which files of a repository make its model, the configuration first; None if no format is complete."""
    for config, weights in FORMATS:
        files = sorted(name for name in names if re.fullmatch(weights, name))
        parts = [int(match[1]) for name in files if (match := re.search(r"-of-(\d{5})\.", name))]
        alone = len(files) == 1 and not files[0].endswith(".index.json")
        sharded = bool(parts) and set(parts) == {len(parts)} and len(files) == len(parts) + 1
        if (alone or sharded) and config in configs and config in names:
            return [config, *files, *(name for name in BESIDE[config] if name in names)]
    return None


def _quiet() -> None:
    """What `huggingface_hub` reads from the environment when it is imported; what the person has set stays.

    It would ask the hub for a list of programs to report itself under, and draw progress bars into files.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _snapshot(reference: Reference) -> Path | None:
    """The folder of the wanted revision in the hub's cache, complete or not."""
    _quiet()
    from huggingface_hub import try_to_load_from_cache

    for config in reference.configs:
        found = try_to_load_from_cache(reference.repo, config, revision=reference.revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def _download(reference: Reference) -> Path:
    _quiet()
    from huggingface_hub import HfApi, snapshot_download

    with hub_errors(reference.name, reference.repo, reference.revision, "asking"):
        info = HfApi().model_info(reference.repo, revision=reference.revision, files_metadata=True)
    listed = {each.rfilename: each for each in info.siblings or []}
    files = needed(listed, reference.configs)
    if files is None:
        shown = ", ".join(sorted(listed)[:12]) or "nothing"
        raise ModelError(
            f"{reference} holds no CLIP model of a format that {reference.family or 'clipdex'} reads, but: {shown}"
        )
    with hub_errors(reference.name, reference.repo, reference.revision, "downloading"):
        snapshot = Path(snapshot_download(reference.repo, revision=reference.revision, allow_patterns=files))
    if snapshot.name != info.sha:
        raise ModelError(f"{reference} changed while it was downloaded; run it again")
    if not (reference.family or VOCABULARIES & set(files)):
        vocabulary()
    folder = _view(reference, snapshot.name)
    return _link(reference, snapshot, folder, {file: _expected(listed[file]) for file in files})


def _link(reference: Reference, snapshot: Path, folder: Path, expected: Mapping[str, tuple[str, str] | None]) -> Path:
    """Check the files of a snapshot, then make `folder` of links to them, whole or not at all."""
    hashes = {file: _verified(reference, snapshot / file, digest) for file, digest in expected.items()}
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}")
    origin = {"source": f"{PREFIX}{reference.repo}", "revision": snapshot.name, "files": hashes}
    try:
        partial.mkdir(parents=True)
        for file in expected:
            _point(partial / file, (snapshot / file).resolve())
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
        _beside(partial).write_text(json.dumps(origin, indent=2) + "\n", "utf-8")
        _beside(partial).replace(_beside(folder))
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if read_origin(folder):  # another process was faster
            return folder
        raise ModelError(f"{folder} cannot be written ({error.strerror}); is the disk full or read-only?") from None
    return folder


def _point(link: Path, file: Path) -> None:
    try:
        link.symlink_to(file)
    except OSError:  # Windows without the right to make links
        shutil.copyfile(file, link)


def _view(reference: Reference, commit: str, suffix: str = "") -> Path:
    import platformdirs

    cache = Path(platformdirs.user_cache_dir("clipdex", appauthor=False))
    kind = f"-{reference.format}" if reference.format else ""
    return cache / "hub" / reference.repo.replace("/", "--") / f"{commit}{kind}{suffix}"


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _expected(listed: RepoSibling) -> tuple[str, str] | None:
    """The kind of hash and its value that the hub lists: sha256 of a large file, git's of a small one."""
    if listed.lfs is not None:
        return "sha256", listed.lfs.sha256
    return ("git", listed.blob_id) if listed.blob_id else None


def _name_hash(file: Path) -> tuple[str, str] | None:
    """The hub's cache names a file by its hash; None where it could make no links and names it otherwise."""
    name = file.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", name):
        return "sha256", name
    return ("git", name) if re.fullmatch(r"[0-9a-f]{40}", name) else None


def _verified(reference: Reference, file: Path, expected: tuple[str, str] | None) -> str:
    """The sha256 of a file. One that is not what the hub promised is removed, so that the next run gets it again."""
    sha256 = hashlib.sha256()
    git = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
            git.update(chunk)
    kind, value = expected or ("sha256", sha256.hexdigest())
    got = sha256.hexdigest() if kind == "sha256" else git.hexdigest()
    if got != value:
        file.resolve().unlink()
        file.unlink(missing_ok=True)
        raise ModelError(
            f"wrong checksum: {file.name} of {reference} came as {got[:12]}…, the hub promised {value[:12]}…; "
            f"it was removed, so run it again to download it again"
        )
    return sha256.hexdigest()
