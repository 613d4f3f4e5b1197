"""Does a name lead to the right files, and every trouble on the way to a sentence that helps?

`huggingface_hub` reads its environment when it is imported, so what talks to a hub runs in processes of its own that
are started with the environment a person would set. One of them serves most tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from core.errors import ModelError
from core.formats import hub
from core.formats.model_catalog import BY_NAME, DESCRIPTIONS
from core.formats.model_dir import fingerprint, read_config, save_model
from core.inference.load import load_encoder, stable_name
from core.model.clip import CLIP
from core.model.config import PRESETS, CLIPConfig, TransformerTextConfig, ViTConfig
from tests.core.hub_server import COMMIT, Hub, Repo, from_folder
from tests.core.small_models import small_model
from tests.shared import ROOT, shared

WORKER = """
import json, sys
from core.formats import hub
from core.errors import ModelError
for line in sys.stdin:
    asked = json.loads(line)
    try:
        folder = hub.resolve(**asked)
        answer = {"folder": str(folder), "origin": hub.read_origin(folder)}
    except ModelError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


class Person:
    """Somebody at a machine: a process with a home of its own, or shared with another one."""

    def __init__(self, home: Path, endpoint: str, **more: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(ROOT)}
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), **more}
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error::DeprecationWarning:core", "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, name: str, **more: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"name": name, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            pytest.fail(f"{name}: {self.process.stderr.read()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def error(self, name: str, **more: Any) -> str:
        answer = self.ask(name, **more)
        assert "error" in answer, answer
        return str(answer["error"])

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with Hub() as hub_:
        yield hub_


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("person")


@pytest.fixture(scope="module")
def person(server: Hub, home: Path) -> Iterator[Person]:
    """At home, with the network."""
    somebody = Person(home, server.url)
    yield somebody
    somebody.close()


@pytest.fixture(scope="module")
def traveller(home: Path) -> Iterator[Person]:
    """At the same home, without the network: nobody listens at port 9."""
    somebody = Person(home, "http://127.0.0.1:9")
    yield somebody
    somebody.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    save_model(folder, *small_model(), card="# small\n", origin={"made": "by a test"})
    return folder


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_known_name_its_alias_and_hf_names_lead_to_their_repositories() -> None:
    recommended = hub.find(hub.RECOMMENDED_MODEL)
    assert recommended is not None
    assert recommended.repo == "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K"
    assert recommended.description is BY_NAME["ViT-B-32-256"]
    assert hub.find("ViT-B-32-256") == recommended
    assert hub.find("hf:me/model") == hub.Reference("hf:me/model", "me/model", None)
    assert hub.find("hf:me/model@v1.0") == hub.Reference("hf:me/model@v1.0", "me/model", "v1.0")
    for other in ("tiny", "toy", "ViT-B-32", "models/mine", "me/model", ""):
        assert hub.find(other) is None


@pytest.mark.parametrize("name", ["hf:", "hf:me", "hf:me/a/b", "hf:../x", "hf:me/..", "hf:me/x y", "hf:/x", "hf:me/"])
def test_half_a_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not hf:OWNER/REPOSITORY or hf:OWNER/REPOSITORY@REVISION"):
        hub.find(name)


@pytest.mark.parametrize("revision", ["", "../x", "a b", "-x"])
def test_an_odd_revision_is_refused(revision: str) -> None:
    with pytest.raises(ModelError, match="no usable revision"):
        hub.find(f"hf:me/model@{revision}")


def test_what_is_remembered_finds_the_model_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stable_name("tiny") == "tiny"
    assert stable_name("ViT-B-32-256") == hub.RECOMMENDED_MODEL
    assert stable_name("hf:me/model@v1") == "hf:me/model@v1"
    assert stable_name("mine") == stable_name(Path("mine")) == str(tmp_path / "mine")


def test_a_misspelt_name_is_answered_with_the_nearest_of_the_hub() -> None:
    with pytest.raises(
        ModelError, match=r"there is no model ViT-B-32/opnai; no file or folder .*on the hub there is ViT-B-32/openai"
    ):
        load_encoder("ViT-B-32/opnai")
    with pytest.raises(ModelError, match=r"unknown model 'quux'; .*`clipdex models list` shows those on the hub"):
        load_encoder("quux")


# --- descriptions ----------------------------------------------------------------------------------------------------


def test_names_repositories_and_numbers_are_plausible() -> None:
    names = [name for each in DESCRIPTIONS for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
    assert len({each.repo for each in DESCRIPTIONS}) == len(DESCRIPTIONS)
    for each in DESCRIPTIONS:
        shares = (each.imagenet, each.coco_text_to_image, each.coco_image_to_text, each.flickr_text_to_image)
        assert all(share is None or 20 < share < 95 for share in shares), each.name
        if each.coco_text_to_image and each.coco_image_to_text and each.flickr_text_to_image:
            assert each.coco_text_to_image < each.coco_image_to_text < 80, each.name
            assert each.coco_text_to_image < each.flickr_text_to_image, each.name
    assert BY_NAME[hub.RECOMMENDED_MODEL].imagenet == 72.81
    assert BY_NAME["ViT-L-14/laion2b_s32b_b82k"].mean == (0.5, 0.5, 0.5)


def _shape(name: str) -> CLIPConfig:
    """The towers that a name stands for (open_clip's model_configs); for H/14 from its published configuration."""
    name = name.partition("/")[0]
    if name == "ViT-B-32-256":
        small = PRESETS["ViT-B-32"]
        assert isinstance(small.vision, ViTConfig)
        return small.model_copy(update={"vision": small.vision.model_copy(update={"image_size": 256})})
    if name == "ViT-H-14":
        like = PRESETS["ViT-L-14"]
        assert isinstance(like.vision, ViTConfig) and isinstance(like.text, TransformerTextConfig)
        vision = {"width": 1280, "layers": 32, "heads": 16, "mlp_width": 5120}
        text = {"width": 1024, "layers": 24, "heads": 16, "mlp_width": 4096}
        return CLIPConfig(
            embed_dim=1024,
            vision=like.vision.model_copy(update=vision),
            text=like.text.model_copy(update=text),
        )
    return PRESETS[name]


@pytest.mark.parametrize("name", [each.name for each in DESCRIPTIONS])
def test_described_parameters_and_sizes_are_those_of_the_towers(name: str) -> None:
    config = _shape(name)
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in CLIP(config).parameters())
    known = BY_NAME[name]
    assert (parameters, config.vision.image_size, config.embed_dim) == (
        known.parameters,
        known.image_size,
        known.embed_dim,
    )


def test_a_configuration_that_contradicts_the_description_is_refused(model: Path) -> None:
    config = read_config(model)
    assert isinstance(config.clip.text, TransformerTextConfig)
    known = DESCRIPTIONS[0].model_copy(update={"image_size": 32, "embed_dim": 24, "activation": "gelu"})
    with pytest.raises(ModelError, match="text tower's activation quick_gelu, not gelu; if you trust the repository"):
        known.check(config)  # its text tower has the other activation than its image tower
    text = config.clip.text.model_copy(update={"activation": "gelu"})
    agreeing = config.model_copy(update={"clip": config.clip.model_copy(update={"text": text})})
    known.check(agreeing)
    with pytest.raises(ModelError, match=r"mean \(0\.48.*, not \(0\.5, 0\.5, 0\.5\)"):
        known.model_copy(update={"mean": (0.5, 0.5, 0.5)}).check(agreeing)


# --- which files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        (
            "open_clip_config.json open_clip_model.safetensors open_clip_pytorch_model.bin tokenizer.json README.md",
            "open_clip_config.json open_clip_model.safetensors tokenizer.json",
        ),
        (
            "open_clip_config.json open_clip_pytorch_model.bin config.json model.safetensors preprocessor_config.json",
            "open_clip_config.json open_clip_pytorch_model.bin",
        ),
        (
            "open_clip_config.json config.json pytorch_model.bin tf_model.h5 vocab.json merges.txt",
            "config.json pytorch_model.bin vocab.json merges.txt",
        ),
        (
            "config.json pytorch_model.bin.index.json "
            "pytorch_model-00002-of-00002.bin pytorch_model-00001-of-00002.bin",
            "config.json pytorch_model-00001-of-00002.bin pytorch_model-00002-of-00002.bin "
            "pytorch_model.bin.index.json",
        ),
        ("config.json model.safetensors.index.json model-00001-of-00002.safetensors", None),
        ("config.json model.safetensors.index.json", None),
        ("model.safetensors tokenizer.json", None),
        ("config.json README.md", None),
        ("", None),
    ],
)
def test_one_complete_format_is_chosen_of_what_a_repository_holds(present: str, chosen: str | None) -> None:
    assert hub.needed(present.split()) == (None if chosen is None else chosen.split())


# --- a download ------------------------------------------------------------------------------------------------------


def test_a_model_is_downloaded_checked_and_recorded_and_asks_for_nothing_else(
    server: Hub, person: Person, model: Path
) -> None:
    server.repos["me/complete"] = from_folder(model)
    server.repos["me/complete"].files["tf_model.h5"] = b"not for us"
    server.requests.clear()
    answer = person.ask("hf:me/complete")
    folder = Path(answer["folder"])
    expected = {file.name: file.read_bytes() for file in model.iterdir()}
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == expected
    assert answer["origin"] == {
        "source": "hf:me/complete",
        "revision": COMMIT,
        "files": {name: sha256(data) for name, data in expected.items()},
    }
    odd = [line for line in server.requests if "/me/complete" not in line]
    assert odd == [], "nothing is asked but for the model: no telemetry, no registry of programs"
    assert server.fetched("tf_model.h5") == []


def test_the_second_time_the_server_may_be_gone(server: Hub, person: Person, traveller: Person, model: Path) -> None:
    server.repos["me/again"] = from_folder(model)
    first = person.ask("hf:me/again")
    server.requests.clear()
    assert person.ask("hf:me/again") == first
    assert server.requests == []
    assert traveller.ask("hf:me/again") == first
    assert traveller.ask(f"hf:me/again@{COMMIT}") == first
    assert traveller.ask("hf:me/again", download=False) == first


def in_cache(repo: str, folder: Path) -> None:
    """Put a folder's files where `huggingface_hub` of this process finds them."""
    from huggingface_hub.constants import HF_HUB_CACHE

    place = Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, place / "snapshots" / COMMIT)


def test_a_model_of_the_hub_encodes_as_the_folder_it_came_from(model: Path) -> None:
    in_cache("me/encodes", model)
    encoder = load_encoder("hf:me/encodes", device="cpu")
    assert (encoder.name, encoder.fingerprint) == ("hf:me/encodes", fingerprint(model))
    same = load_encoder(model, device="cpu").encode_texts(["a red dog"])
    np.testing.assert_allclose(encoder.encode_texts(["a red dog"]), same, atol=1e-6)


def test_a_repository_that_is_not_what_is_known_about_it_is_refused_by_name_and_read_by_repository(
    tmp_path: Path,
) -> None:
    known = BY_NAME["ViT-L-14/openai"]
    shutil.copytree(shared("reference", "transformers-clip"), tmp_path / "small")
    in_cache(known.repo, tmp_path / "small")
    with pytest.raises(ModelError, match=f"the configuration in {known.repo} contradicts what is known .*image_size"):
        load_encoder(known.name, device="cpu")
    assert load_encoder(f"hf:{known.repo}", device="cpu").dim == 48


def test_what_another_program_left_in_the_cache_is_enough(server: Hub, home: Path, person: Person, model: Path) -> None:
    repo = server.repos["me/left"] = from_folder(model)
    place = home / "hf" / "hub" / "models--me--left"
    snapshot = place / "snapshots" / COMMIT
    for folder in (snapshot, place / "blobs", place / "refs"):
        folder.mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model.safetensors"):
        (place / "blobs" / repo.etag(name)).write_bytes(repo.files[name])
        (snapshot / name).symlink_to(f"../../blobs/{repo.etag(name)}")
    # Without a vocabulary it may be half a model, so the rest is fetched, and only the rest.
    server.requests.clear()
    answer = person.ask("hf:me/left")
    assert {"tokenizer.json", "model.safetensors"} <= set(answer["origin"]["files"])
    assert len(server.fetched("tokenizer.json")) == 1
    assert server.fetched("model.safetensors") == []


def test_files_with_no_vocabulary_are_used_where_the_hub_cannot_be_asked(home: Path, traveller: Person) -> None:
    snapshot = home / "hf" / "hub" / "models--me--bare" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    for name in ("open_clip_config.json", "open_clip_pytorch_model.bin"):
        (snapshot / name).write_bytes(b"{}")
    answer = traveller.ask("hf:me/bare")
    assert sorted(answer["origin"]["files"]) == ["open_clip_config.json", "open_clip_pytorch_model.bin"]


def test_a_known_model_is_never_taken_in_another_format_than_its_own(home: Path, traveller: Person) -> None:
    snapshot = home / "hf" / "hub" / "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"):
        (snapshot / name).write_bytes(b"{}")
    assert "is not on this machine" in traveller.error("ViT-B-32/laion2b_s34b_b79k")
    assert "folder" in traveller.ask("hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K")


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_a_connection_that_breaks_goes_on_where_it_broke(server: Hub, person: Person, model: Path) -> None:
    large = {**from_folder(model).files, "model.safetensors": bytes(24 << 20)}  # more than one piece of 10 MiB
    server.repos["me/breaks"] = Repo(large, cut={"model.safetensors": 15 << 20})
    answer = person.ask("hf:me/breaks")
    assert answer["origin"]["files"]["model.safetensors"] == sha256(large["model.safetensors"])
    first, second = server.fetched("model.safetensors")[-2:]
    assert first.endswith("model.safetensors")
    assert second.endswith(f"bytes={10 << 20}-")


def test_a_killed_download_keeps_what_is_complete(server: Hub, person: Person, home: Path, model: Path) -> None:
    repo = server.repos["me/killed"] = from_folder(model)
    repo.trouble = "stalls"
    other = Person(home, server.url)
    assert other.process.stdin is not None
    other.process.stdin.write(json.dumps({"name": "hf:me/killed"}) + "\n")
    other.process.stdin.flush()
    assert server.stalled.wait(60)
    blobs = home / "hf" / "hub" / "models--me--killed" / "blobs"
    for _ in range(600):  # the small files come in other threads
        if all((blobs / repo.etag(name)).exists() for name in repo.files if not name.endswith(".safetensors")):
            break
        server.go_on.wait(0.1)
    other.close()
    assert "error" in person.ask("hf:me/killed", download=False)
    repo.trouble = None
    server.requests.clear()
    assert set(person.ask("hf:me/killed")["origin"]["files"]) == set(repo.files)
    assert [len(server.fetched(name)) for name in ("config.json", "tokenizer.json", "model.safetensors")] == [0, 0, 1]


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])  # a large file has sha256, a small one git's
def test_a_wrong_checksum_is_noticed_and_the_next_run_gets_the_file_again(
    server: Hub, person: Person, model: Path, name: str
) -> None:
    repo = server.repos["me/wrong-" + name[:5]] = from_folder(model)
    repo.corrupt = {name}
    message = person.error("hf:me/wrong-" + name[:5])
    assert message.startswith(f"wrong checksum: {name} of me/wrong-{name[:5]} came as ")
    assert f"the hub promised {repo.etag(name)[:12]}…; it was removed, so run it again" in message
    repo.corrupt = set()
    server.requests.clear()
    assert person.ask("hf:me/wrong-" + name[:5])["origin"]["files"][name] == sha256(repo.files[name])
    assert len(server.fetched(name)) == 1
    assert server.fetched("config.json") == []


def test_a_vanished_repository_a_gated_one_and_an_unknown_revision_say_what_to_do(
    server: Hub, person: Person, model: Path
) -> None:
    server.repos["me/vanished"] = Repo({}, trouble="vanished")
    server.repos["me/gated"] = Repo({}, trouble="gated")
    server.repos["me/broken"] = Repo({}, trouble="broken")
    server.repos["me/here"] = from_folder(model)
    server.repos["me/other"] = Repo({"config.json": b"{}", "weights.gguf": b""})
    assert person.error("hf:me/vanished").startswith("me/vanished is not on the hub (any more), or it is private: ")
    assert person.error("hf:me/gated") == (
        "hf:me/gated is gated: accept its licence at https://huggingface.co/me/gated, "
        "then log in with `hf auth login` or set HF_TOKEN"
    )
    assert person.error("hf:me/here@v2").startswith("me/here has no revision 'v2'")
    assert person.error("hf:me/broken") == "the hub answered 500 for hf:me/broken; try again later"
    assert person.error("hf:me/other") == (
        "me/other holds no CLIP model of a format that clipdex reads, but: config.json, weights.gguf"
    )


def test_a_cached_model_outlives_its_repository(server: Hub, person: Person, model: Path) -> None:
    repo = server.repos["me/mortal"] = from_folder(model)
    first = person.ask("hf:me/mortal")
    repo.trouble = "vanished"
    assert person.ask("hf:me/mortal") == first


def test_with_no_network_and_nothing_cached_three_ways_are_named(traveller: Person) -> None:
    message = traveller.error(hub.RECOMMENDED_MODEL)
    assert message.startswith(f"{hub.RECOMMENDED_MODEL} is not on this machine, and the hub cannot be asked.")
    for way in ("--model PATH", "HF_HOME", "--model tiny"):
        assert way in message


def test_offline_by_choice_asks_nobody(server: Hub, tmp_path: Path, model: Path) -> None:
    server.repos["me/forbidden"] = from_folder(model)
    hermit = Person(tmp_path, server.url, HF_HUB_OFFLINE="1")
    server.requests.clear()
    assert "is not on this machine" in hermit.error("hf:me/forbidden")
    assert "naming it downloads it (--model hf:me/forbidden)" in hermit.error("hf:me/forbidden", download=False)
    assert server.requests == []
    hermit.close()


def test_an_openclip_repository_that_offers_other_formats_too_is_read_as_openclip(
    server: Hub, person: Person, model: Path
) -> None:
    config = {"model_cfg": {"embed_dim": 24}, "preprocess_cfg": {}}
    weights = safetensors_bytes({"a": torch.zeros(1)})
    others = {"config.json": b'{"model_type": "clip"}', "model.safetensors": weights}
    ours = {
        "open_clip_config.json": json.dumps(config).encode(),
        "open_clip_model.safetensors": weights,
        "tokenizer.json": (model / "tokenizer.json").read_bytes(),
    }
    server.repos["me/both"] = Repo(ours | others)
    answer = person.ask("hf:me/both")
    assert set(answer["origin"]["files"]) == set(ours)
    assert {file.name for file in Path(answer["folder"]).iterdir()} == set(ours)
