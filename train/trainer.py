"""Trains a model; read it from top to bottom.

run          a recipe in, a model directory out
prepare      data, tokenizer, model, optimizer: everything a step needs
batches      what each step sees, made ready one step ahead
backward     loss and gradients of one batch, at once or in micro-batches
recalibrate  batch normalisation measured anew over whole images, after the last step
measure      the evaluations that the recipe asks for
finish       the model directory, its card and the plot
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint as recompute

from core.errors import MissingExtraError, TrainingError
from core.formats.model_dir import save_model
from core.image.preprocess import normalise, resize_crop
from core.inference.clip_encoder import CLIPEncoder
from core.inference.device import autocast_dtype, choose_device
from core.model.clip import CLIP
from core.model.config import ModelConfig, ViTConfig
from core.model.init import initialise
from core.model.resnet import Bottleneck
from core.model.small_resnet import BasicBlock
from core.model.transformer import Block
from core.text.tokenizer import Tokenizer, train_tokenizer
from train import log
from train.checkpoint import check_folder, restore_checkpoint, save_checkpoint, stop_between_steps
from train.data.augmentation import random_crop, vary
from train.data.dataset import Corpus, load_corpus
from train.evaluation import evaluate
from train.grad_cache import backward_in_micro_batches
from train.loss import contrastive_loss
from train.optim import learning_rate, make_optimizer, take_step
from train.recalibrate import recalibrate
from train.recipe import ClassSource, Recipe, read_recipe

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Everything that stays the same from step to step."""

    recipe: Recipe
    data: Path
    out: Path
    device: torch.device
    corpus: Corpus
    tokenizer: Tokenizer
    config: ModelConfig
    ids: np.ndarray  # (texts, t) token ids of every caption
    lengths: np.ndarray  # (texts,) tokens up to and with end-of-text
    model: CLIP
    heads: nn.ModuleDict  # number of a source -> a linear layer from features to its labels; gone after the training
    optimizer: torch.optim.Optimizer
    dtype: torch.dtype | None  # of matrix products; None for float32

    @property
    def log(self) -> Path:
        return self.out / log.NAME

    def autocast(self) -> AbstractContextManager[object]:
        """Inside, matrix products are computed in `dtype`."""
        return torch.autocast(self.device.type, dtype=self.dtype) if self.dtype is not None else nullcontext()

    def attention(self) -> AbstractContextManager[object]:
        """Inside, the CPU attends plainly: the fused kernel takes twice the time backward on short texts."""
        return sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()


@dataclass(frozen=True)
class Batch:
    """One step's images and captions, part by part; equal labels belong together."""

    pixels: list[Tensor]  # a part each: (share, side, side, 3) uint8
    image_labels: list[Tensor]  # a part each: (share,)
    ids: list[Tensor]  # a part each: (texts, t)
    text_labels: list[Tensor]  # a part each: (texts,)


def run(
    recipe_path: str | Path,
    *,
    data: str | Path = ".",
    out: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    report: Callable[[Record], None] = lambda record: None,
) -> Path:
    """Train as the recipe says and return the directory of the finished model, `out/model`.

    `data` is the folder that the recipe's paths start from; `out` defaults to `runs/NAME`. Every record of the log
    also goes to `report`. A run that was stopped, even by `kill -9`, goes on with `resume` and prints the losses that
    an undisturbed run would have printed. Ctrl-C writes a checkpoint before it takes effect. Without matplotlib there
    is not a plot, and `{"note": …}` says so to `report` at the start. Raises `ConfigError` for the recipe, `DataError`
    for data and checkpoints, `TrainingError` when the numbers run away.
    """
    recipe = read_recipe(recipe_path)
    out = Path(out) if out is not None else Path("runs") / recipe.name
    check_folder(out, recipe, resume=resume)
    plotted = can_plot(report)
    it = prepare(recipe, Path(data), out, choose_device(device))
    first = restore_checkpoint(out, it.model, it.heads, it.optimizer, recipe) if resume else 0
    log.cut(it.log, first)
    with stop_between_steps() as asked_to_stop:
        for step, batch in batches(it, first):
            started = time.perf_counter()
            it.model.train()
            loss = backward(it, batch, step)
            rate = learning_rate(step, recipe.schedule)
            norm = take_step(it.model, it.optimizer, rate, recipe.schedule.clip_norm)
            check_finite(step, loss, norm)
            last = step + 1 == recipe.schedule.steps
            if last and recipe.schedule.recalibrate:
                recalibrate(it.model.visual, whole_pictures(it), partial(encode_images, it))
            record: Record = {"step": step}
            if step % recipe.schedule.log_every == 0 or last:
                record |= {
                    "loss": round(loss.item(), 6),
                    "learning_rate": rate,
                    "gradient_norm": round(norm.item(), 4),
                    "logit_scale": round(it.model.logit_scale.exp().item(), 3),
                    "images_per_second": round(sum(recipe.shares(step)) / (time.perf_counter() - started), 1),
                }
            measured = measure(it, step + 1, last)
            if measured:
                record["measured"] = measured
            if len(record) > 1:
                log.append(it.log, record)
                report({**record, "of": recipe.schedule.steps})
            stop = asked_to_stop() and not last  # read once: Ctrl-C may come at any moment, also while we save
            if (step + 1) % recipe.schedule.checkpoint_every == 0 or last or stop:
                save_checkpoint(out, step + 1, it.model, it.heads, it.optimizer, recipe)
            if stop:
                raise KeyboardInterrupt
    return finish(it, plotted=plotted)


def check_finite(step: int, loss: Tensor, norm: Tensor) -> None:
    """Raise `TrainingError` for a step that could not be taken; log and checkpoints stay at the last good one."""
    if not (loss.isfinite() and norm.isfinite()):
        raise TrainingError(
            f"the run broke down at step {step}: the loss is {loss.item():.4g} and the norm of its gradients "
            f"{norm.item():.4g}; lower schedule.learning_rate in the recipe and begin anew in another folder, or go on "
            "from the last checkpoint (--resume) if the machine was at fault"
        )


def can_plot(report: Callable[[Record], None]) -> bool:
    """Whether the run will be drawn. The plot is a convenience: lacking its library must not cost anyone a model."""
    try:
        log.check_plot()
    except MissingExtraError as error:
        report({"note": f"this run gets no plot.png: {error}"})
        return False
    return True


def prepare(recipe: Recipe, data: Path, out: Path, device: torch.device) -> Run:
    """Decode the data, learn or re-read the vocabulary, draw the weights."""
    out.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(recipe, data, out / "cache")
    tokenizer = train_tokenizer(corpus.texts, recipe.tokenizer.vocab_size, recipe.tokenizer.context_length)
    rules = tokenizer.config
    config = ModelConfig(
        name=recipe.name,
        clip=recipe.model.clip(tokenizer.vocab_size, rules.context_length, rules.eot_id),
        preprocess=recipe.preprocess,
        tokenizer=rules,
    )
    # What the checkpoints are of; with these two files any of them is a model (core/formats/convert/clipdex.py).
    tokenizer.save(out / "tokenizer.json")
    (out / "config.json").write_text(config.model_dump_json(indent=2) + "\n", "utf-8")
    model = initialise(CLIP(config.clip), recipe.seed).to(device)
    if not isinstance(config.clip.vision, ViTConfig):
        model.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.schedule.recompute:
        recompute_blocks(model)
    ids = tokenizer.encode(corpus.texts).astype(np.int32)
    lengths = (ids == rules.eot_id).argmax(axis=1) + 1
    heads = classification_heads(corpus, config.clip.embed_dim).to(device)
    optimizer = make_optimizer(model, heads, recipe.schedule)
    dtype = {"auto": autocast_dtype(device), "bf16": torch.bfloat16, "fp32": None}[recipe.schedule.precision]
    return Run(recipe, data, out, device, corpus, tokenizer, config, ids, lengths, model, heads, optimizer, dtype)


def classification_heads(corpus: Corpus, embed_dim: int) -> nn.ModuleDict:
    """A linear layer for each source that asks for one; at first all nought, so that every label is as likely."""
    heads = nn.ModuleDict()
    for number, part in enumerate(corpus.parts):
        if isinstance(part.source, ClassSource) and part.source.classify:
            head = nn.Linear(embed_dim, len(part.first_text))
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            heads[str(number)] = head
    return heads


def recompute_blocks(model: CLIP) -> None:
    """Gradient checkpointing: keep only each block's input and compute the rest again on the way back."""
    for module in model.modules():
        if isinstance(module, Block | Bottleneck | BasicBlock):
            module.forward = partial(recompute, module.forward, use_reentrant=False)  # type: ignore[method-assign]


def batches(it: Run, first_step: int) -> Iterator[tuple[int, Batch]]:
    """Steps `first_step`, … with their batches; the next one is gathered while the model works on this one."""
    steps = it.recipe.schedule.steps
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as ahead:
        coming = ahead.submit(gather, it, first_step) if first_step < steps else None
        for step in range(first_step, steps):
            assert coming is not None
            batch = coming.result()
            coming = ahead.submit(gather, it, step + 1) if step + 1 < steps else None
            yield step, batch


def gather(it: Run, step: int) -> Batch:
    """The batch of one step, a function of the seed and the step alone."""
    columns: tuple[list[Tensor], ...] = ([], [], [], [])
    visited, shares = it.recipe.visited(step), it.recipe.shares(step)
    for number, part in enumerate(it.corpus.parts):
        rows = part.rows(it.recipe.seed, visited[number], shares[number])
        texts, text_labels = part.texts(rows, np.random.default_rng([it.recipe.seed, number, step]))
        ids = it.ids[texts, : it.lengths[texts].max()].astype(np.int64)
        for column, array in zip(columns, (part.pixels[rows], part.labels[rows], ids, text_labels), strict=True):
            tensor = torch.from_numpy(array)
            column.append(tensor.pin_memory() if it.device.type == "cuda" else tensor)
    return Batch(*columns)


def augment(it: Run, batch: Batch, step: int) -> Tensor:
    """(n, 3, s, s) normalised input for the image tower, all parts together."""
    generator = torch.Generator(it.device).manual_seed(it.recipe.seed * 1_000_003 + step)
    size = it.recipe.image_size(step)
    crops = [
        random_crop(pixels.to(it.device, non_blocking=True), size, min_area, part.source.flip, generator)
        for part, pixels, min_area in zip(it.corpus.parts, batch.pixels, it.recipe.min_areas(step), strict=True)
    ]
    images = vary(torch.cat(crops), it.recipe.augment, generator)
    return tower_input(it, images.round().to(torch.uint8).permute(0, 2, 3, 1))


def tower_input(it: Run, images: Tensor) -> Tensor:
    """uint8 (n, s, s, 3) -> (n, 3, s, s) normalised, in the layout that the image tower computes fastest in."""
    pixels = normalise(images, it.recipe.preprocess)
    return (
        pixels if isinstance(it.config.clip.vision, ViTConfig) else pixels.contiguous(memory_format=torch.channels_last)
    )


def whole_pictures(it: Run) -> Iterator[Tensor]:
    """The images of the last `recalibrate` steps as they are in use: whole, without variation, (n, 3, s, s) each."""
    steps = it.recipe.schedule.steps
    for step in range(max(0, steps - it.recipe.schedule.recalibrate), steps):
        pictures = [picture for part in gather(it, step).pixels for picture in part.numpy()]
        seen = np.stack([resize_crop(Image.fromarray(picture), it.recipe.preprocess) for picture in pictures])
        yield tower_input(it, torch.from_numpy(seen).to(it.device))


def backward(it: Run, batch: Batch, step: int) -> Tensor:
    """Leave the gradients of one batch in the parameters; returns the loss, a scalar."""
    pixels, size = augment(it, batch, step), it.recipe.schedule.micro_batch
    towers, loss_of = (partial(encode_images, it), partial(encode_texts, it)), partial(loss_of_parts, it, batch, step)
    with it.attention():
        if size is not None:
            return backward_in_micro_batches(pixels, batch.ids, *towers, loss_of, size)
        loss = loss_of(encode_images(it, pixels), [encode_texts(it, ids) for ids in batch.ids])
        loss.backward()
        return loss.detach()


def encode_images(it: Run, pixels: Tensor) -> Tensor:
    """(n, 3, s, s) -> (n, d) features in float32, not of unit length."""
    with it.autocast():
        return it.model.encode_image(pixels).float()


def encode_texts(it: Run, ids: Tensor) -> Tensor:
    """(m, t) -> (m, d) features in float32, not of unit length."""
    with it.autocast():
        return it.model.encode_text(ids.to(it.device, non_blocking=True)).float()


def loss_of_parts(it: Run, batch: Batch, step: int, images: Tensor, texts: list[Tensor]) -> Tensor:
    """Each source's contrastive loss among its own images and captions, and its classification loss where the recipe
    asks for one, averaged by share and weight."""
    scale = it.model.logit_scale.exp()
    shares = [len(labels) for labels in batch.image_labels]
    weights = [share * part.source.weight for share, part in zip(shares, it.corpus.parts, strict=True)]
    total = torch.zeros((), device=it.device)
    for number, (weight, image, text) in enumerate(zip(weights, images.split(shares), texts, strict=True)):
        labels, text_labels = batch.image_labels[number].to(it.device), batch.text_labels[number].to(it.device)
        loss = contrastive_loss(F.normalize(image, dim=-1), F.normalize(text, dim=-1), scale, labels, text_labels)
        source = it.corpus.parts[number].source
        if isinstance(source, ClassSource) and source.classify and it.recipe.classifies(step):
            loss = loss + source.classify * F.cross_entropy(it.heads[str(number)](image), labels)
        total = total + weight * loss
    return total / sum(weights)


def measure(it: Run, done: int, last: bool) -> dict[str, float]:
    """The recipe's evaluations that are due after `done` steps; all of them after the last."""
    due = [item for item in it.recipe.evaluate if last or done % item.every == 0]
    if not due:
        return {}
    encoder = CLIPEncoder(it.model, it.config, it.tokenizer, device=it.device)
    measured: dict[str, float] = {}
    for item in due:
        name = item.path.removesuffix(".parquet")
        if item.kind == "zeroshot":
            measured[f"{name} top1"] = evaluate.zeroshot(encoder, it.data / item.path).top1
        else:
            result = evaluate.retrieval(encoder, it.data / item.path)
            measured[f"{name} text-to-image recall_at_10"] = result.text_to_image.recall_at_10
    return measured


def finish(it: Run, *, plotted: bool) -> Path:
    """Write the model directory, then the plot: whatever goes wrong with the image, the model is there."""
    records = log.read(it.log)
    measured: dict[str, float] = next((record["measured"] for record in reversed(records) if "measured" in record), {})
    lines = [f"| {name} | {value:.3f} |" for name, value in measured.items()]
    card = "\n".join([f"# {it.recipe.name}", "", "| measured after the last step | |", "| --- | --- |", *lines, ""])
    origin = {"trained_by": "clipdex train", "recipe": json.loads(it.recipe.model_dump_json())}
    target = it.out / "model"
    save_model(target, it.model.float(), it.config, it.tokenizer, card=card, origin=origin, dtype="float16")
    if plotted:
        log.plot(it.log, it.out / "plot.png")
    return target
