"""Runs of seconds: a resumed run equals an undisturbed one, losses fall, micro-batches change nothing."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core.errors import DataError, TrainingError
from core.image.preprocess import normalise, resize_crop
from core.inference.load import load_encoder
from tests.shared import ROOT
from train import log, trainer
from train.data import dataset
from train.optim import take_step
from train.recipe import Recipe, read_recipe

SMALL = ROOT / "tests/train/small.toml"
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 200)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with captions and a folder of class folders: plain noisy colours."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = [("image", "caption")]
    for number, (name, colour) in enumerate(list(COLOURS.items()) * 4):
        noisy = np.clip(np.array(colour) + rng.integers(-25, 25, (40, 32, 3)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(noisy)
        for place in (folder / "captioned" / f"{number}.png", folder / "classes" / name / f"{number}.png"):
            place.parent.mkdir(parents=True, exist_ok=True)
            picture.save(place)
        rows += [(f"{number}.png", f"a {name} wall number {number}"), (f"{number}.png", f"paint, {name}")]
    with (folder / "captioned/captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    trainer.run(SMALL, data=data, out=out, device="cpu")
    return out


def losses(out: Path) -> list[float]:
    return [record["loss"] for record in log.read(out / "log.jsonl") if "loss" in record]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model/model.safetensors")


def test_a_run_leaves_a_model_that_loads_a_log_and_a_plot(undisturbed: Path) -> None:
    records = log.read(undisturbed / "log.jsonl")
    assert [record["step"] for record in records if "loss" in record] == list(range(6))
    assert [record["step"] for record in records if "measured" in record] == [2, 5]
    assert (undisturbed / "plot.png").read_bytes().startswith(b"\x89PNG")
    encoder = load_encoder(undisturbed / "model", device="cpu")
    vectors = encoder.encode_texts(["a red wall", "a blue wall"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_without_matplotlib_a_run_says_so_at_the_start_and_still_leaves_its_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as Python marks a module that cannot be imported
    told: list[dict[str, Any]] = []
    model = trainer.run(SMALL, data=data, out=tmp_path / "out", device="cpu", report=told.append)
    assert told[0] == {
        "note": "this run gets no plot.png: the plot of a training run needs the package matplotlib: "
        "pip install 'clipdex[train]'"
    }
    assert load_encoder(model, device="cpu").dim == 8
    assert not (tmp_path / "out/plot.png").exists()


def test_the_same_recipe_gives_the_same_weights(undisturbed: Path, data: Path, tmp_path: Path) -> None:
    trainer.run(SMALL, data=data, out=tmp_path / "again", device="cpu")
    assert losses(tmp_path / "again") == losses(undisturbed)
    for name, tensor in weights(undisturbed).items():
        assert torch.equal(tensor, weights(tmp_path / "again")[name]), name


PROGRAM = (
    "import sys; from train import trainer; trainer.run(sys.argv[1], data=sys.argv[2], out=sys.argv[3], device='cpu')"
)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    sign: signal.Signals, undisturbed: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    slow = tmp_path / "small.toml"  # the same recipe: only its place differs
    slow.write_text(SMALL.read_text("utf-8"), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(slow), str(data), str(out)], env=environment, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 300
    while not list(out.glob("step-*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(sign)
    process.wait(300)
    trainer.run(slow, data=data, out=out, resume=True, device="cpu")
    assert losses(out) == losses(undisturbed)
    for name, tensor in weights(undisturbed).items():
        assert torch.equal(tensor, weights(out)[name]), name


def test_a_run_whose_numbers_run_away_ends_at_the_last_good_step(data: Path, tmp_path: Path) -> None:
    wild = tmp_path / "wild.toml"
    text = SMALL.read_text("utf-8").replace("1e-3", "1e30").replace("checkpoint_every = 2", "checkpoint_every = 1")
    wild.write_text(text, "utf-8")
    out = tmp_path / "out"
    for resume in (False, True):
        with pytest.raises(
            TrainingError, match=r"broke down at step 1: the loss is nan .* lower schedule.learning_rate"
        ):
            trainer.run(wild, data=data, out=out, device="cpu", resume=resume)
        assert [record["step"] for record in log.read(out / "log.jsonl")] == [0]
        assert [path.name for path in out.glob("step-*")] == ["step-0000001"]
    for name, tensor in load_file(out / "step-0000001/model.safetensors").items():
        assert tensor.isfinite().all(), name


def test_a_second_run_into_the_same_folder_is_refused(undisturbed: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds a run already"):
        trainer.run(SMALL, data=data, out=undisturbed, device="cpu")
    (tmp_path / "step-0000900").mkdir()  # whose log somebody removed
    with pytest.raises(DataError, match="holds a run already"):
        trainer.run(SMALL, data=data, out=tmp_path, device="cpu")


def test_where_no_run_is_none_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"there is no run to go on with in .*out; begin one without --resume"):
        trainer.run(SMALL, data=data, out=out, device="cpu", resume=True)
    assert not out.exists()
    with pytest.raises(DataError, match=r"the run cannot be kept in .*: File name too long"):
        trainer.run(SMALL, data=data, out=tmp_path / ("long" * 100), device="cpu")


def test_ctrl_c_ends_a_run_after_its_step_with_a_checkpoint(undisturbed: Path, data: Path, tmp_path: Path) -> None:
    def stop_at_two(record: dict[str, Any]) -> None:
        if record["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        trainer.run(SMALL, data=data, out=out, device="cpu", report=stop_at_two)
    assert sorted(path.name for path in out.glob("step-*")) == ["step-0000002", "step-0000003"]
    (out / ".step-0000004.12345").mkdir()  # as a kill leaves it
    forget_defaults(out / "step-0000003/state.json")
    trainer.run(SMALL, data=data, out=out, device="cpu", resume=True)
    assert losses(out) == losses(undisturbed)
    assert [path.name for path in out.glob(".step-*")] == []


def forget_defaults(state: Path) -> None:
    """As if these fields, which have a default, had been added to recipes after this checkpoint was written."""
    value = json.loads(state.read_text("utf-8"))
    recipe = json.loads(value["recipe"])
    del recipe["phases"], recipe["schedule"]["shape"], recipe["data"][0]["weight"]
    state.write_text(json.dumps({**value, "recipe": json.dumps(recipe, indent=1)}), "utf-8")


def test_a_checkpoint_of_another_recipe_is_refused(undisturbed: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SMALL.read_text("utf-8").replace("seed = 3", "seed = 4"), "utf-8")
    rules = (undisturbed / "config.json").read_bytes()
    with pytest.raises(DataError, match="another recipe"):
        trainer.run(other, data=data, out=undisturbed, resume=True, device="cpu")
    assert (undisturbed / "config.json").read_bytes() == rules


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="captioned"):
        trainer.run(SMALL, data=tmp_path, out=tmp_path / "out", device="cpu")


def prepared(data: Path, out: Path, **changes: Any) -> trainer.Run:
    recipe: Recipe = read_recipe(SMALL)
    recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=changes)})
    return trainer.prepare(recipe, data, out, torch.device("cpu"))


def gradients(it: trainer.Run) -> dict[str, torch.Tensor]:
    it.model.eval()  # batch statistics of micro-batches differ; all else must agree
    batch = trainer.gather(it, 0)
    trainer.backward(it, batch, 0)
    return {name: p.grad.clone() for name, p in it.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("changes", [{"micro_batch": 5}, {"recompute": True}, {"micro_batch": 7, "recompute": True}])
def test_saving_memory_does_not_change_the_gradients(changes: dict[str, Any], data: Path, tmp_path: Path) -> None:
    expected = gradients(prepared(data, tmp_path / "out"))
    found = gradients(prepared(data, tmp_path / "out", **changes))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_every_epoch_visits_each_picture_once(data: Path, tmp_path: Path) -> None:
    part = prepared(data, tmp_path / "out").corpus.parts[0]
    assert len(part.pixels) == 12 and part.source.share == 6
    first = np.concatenate([part.rows(1, 0, 6), part.rows(1, 6, 6)])
    second = np.concatenate([part.rows(1, 12, 7), part.rows(1, 19, 5)])
    assert sorted(first) == sorted(second) == list(range(12))
    assert list(first) != list(second)
    assert list(part.rows(1, 6, 6)) == list(first[6:])  # any step on its own


def test_captions_belong_to_their_pictures(data: Path, tmp_path: Path) -> None:
    it = prepared(data, tmp_path / "out")
    captions, classes, _ = it.corpus.parts
    for row in range(12):
        label = captions.labels[row]
        start, count = captions.first_text[label], captions.text_count[label]
        assert all(list(COLOURS)[row % 3] in text for text in it.corpus.texts[start : start + count])
    names = sorted(COLOURS)
    for row in range(12):
        label = classes.labels[row]
        start, count = classes.first_text[label], classes.text_count[label]
        texts = it.corpus.texts[start : start + count]
        red, green, blue = np.asarray(classes.pixels[row]).mean(axis=(0, 1))
        colour = {"red": red, "green": green, "blue": blue}
        assert names[label] == max(colour, key=lambda name: colour[name])
        assert all(names[label] in text for text in texts) and len(texts) > 80


def test_many_pictures_are_prepared_in_processes_with_the_same_result(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = prepared(data, tmp_path / "few").corpus
    monkeypatch.setattr(dataset, "CHUNK", 5)
    many = prepared(data, tmp_path / "many").corpus
    assert many.texts == few.texts
    for one, other in zip(many.parts, few.parts, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    broken = shutil.copytree(data, tmp_path / "broken")
    (broken / "captioned" / "7.png").write_text("no image")
    with pytest.raises(DataError, match=r"a training image cannot be read: .*7\.png"):
        prepared(broken, tmp_path / "out")


def test_scenes_whose_words_were_lost_are_painted_again(data: Path, tmp_path: Path) -> None:
    texts = prepared(data, tmp_path / "out").corpus.texts
    (words,) = (tmp_path / "out/cache").glob("scenes-*.json")
    words.unlink()  # as a kill between the two files leaves it
    assert prepared(data, tmp_path / "out").corpus.texts == texts
    assert [path.name for path in (tmp_path / "out/cache").glob("*partial*")] == []


def test_the_loss_falls(data: Path, tmp_path: Path) -> None:
    it = prepared(data, tmp_path / "out", steps=40)
    found = []
    for step, batch in trainer.batches(it, 0):
        it.model.train()
        found.append(trainer.backward(it, batch, step).item())
        take_step(it.model, it.optimizer, 3e-3, 1.0)
    assert np.mean(found[-8:]) < 0.8 * np.mean(found[:4])


def test_labels_teach_the_image_tower_through_a_layer_that_the_model_does_not_keep(data: Path, tmp_path: Path) -> None:
    it = prepared(data, tmp_path / "out")
    (weight,) = (p for p in it.heads.parameters() if p.ndim == 2)
    assert weight.shape == (3, 8)
    with_head, plain = gradients(it), gradients(prepared_without_heads(data, tmp_path / "plain"))
    assert weight.grad is not None and weight.grad.abs().sum() > 0
    assert with_head.keys() == plain.keys() and not any("head" in name for name in with_head)


def test_batch_normalisation_is_recalibrated_on_whole_pictures_as_preprocessing_makes_them(
    data: Path, tmp_path: Path
) -> None:
    it = prepared(data, tmp_path / "out", recalibrate=2)
    found = list(trainer.whole_pictures(it))
    steps = it.recipe.schedule.steps
    assert len(found) == 2 and list(trainer.whole_pictures(prepared(data, tmp_path / "no", recalibrate=0))) == []
    for pixels, step in zip(found, (steps - 2, steps - 1), strict=True):
        stored = [picture for part in trainer.gather(it, step).pixels for picture in part.numpy()]
        expected = [resize_crop(Image.fromarray(picture), it.recipe.preprocess) for picture in stored]
        torch.testing.assert_close(pixels, normalise(torch.from_numpy(np.stack(expected)), it.recipe.preprocess))


def prepared_without_heads(data: Path, out: Path) -> trainer.Run:
    recipe = read_recipe(SMALL)
    sources = tuple(
        source.model_copy(update={"classify": 0.0}) if source.kind == "classes" else source for source in recipe.data
    )
    return trainer.prepare(recipe.model_copy(update={"data": sources}), data, out, torch.device("cpu"))
