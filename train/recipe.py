"""The recipe: everything that defines a training run.

A recipe is a TOML file that says everything: model, tokenizer, data, schedule, augmentation, evaluation, seed. Two runs
of one recipe on one machine print the same numbers. Paths of data are relative to the data folder given at the start.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from core.errors import ConfigError
from core.model.config import CLIPConfig, PreprocessConfig, SmallResNetConfig, VisionConfig
from core.schema import Frozen, parse

RESERVED_TEXT_FIELDS = ("vocab_size", "context_length", "eot_id")


class TokenizerRecipe(Frozen):
    """A new byte-level BPE vocabulary, learnt from the captions of the recipe's own data."""

    vocab_size: PositiveInt = 49152
    context_length: PositiveInt = 77


class ModelRecipe(Frozen):
    """The towers; the tokenizer fills in the text tower's vocabulary."""

    embed_dim: PositiveInt
    vision: VisionConfig
    text: dict[str, str | int | float]

    def clip(self, vocab_size: int, context_length: int, eot_id: int) -> CLIPConfig:
        text = {**self.text, "vocab_size": vocab_size, "context_length": context_length, "eot_id": eot_id}
        return parse(CLIPConfig, {"embed_dim": self.embed_dim, "vision": self.vision, "text": text}, "towers")

    @model_validator(mode="after")
    def _text_is_complete(self) -> ModelRecipe:
        given = sorted(set(self.text) & set(RESERVED_TEXT_FIELDS))
        if given:
            raise ValueError(f"text.{given[0]} comes from the tokenizer; remove it")
        try:
            self.clip(vocab_size=1024, context_length=8, eot_id=1)
        except ConfigError as error:
            raise ValueError(str(error)) from None  # pydantic adds the place, `read_recipe` the file
        return self


class Source(Frozen):
    """One part of every batch. `share` of the batch's images come from it; its loss is taken among them alone, so
    that telling sources apart brings no gain. Images are kept decoded at `side` × `side` pixels."""

    share: PositiveInt
    side: PositiveInt
    flip: bool = True
    min_area: float = Field(default=0.4, gt=0, le=1)
    weight: PositiveFloat = 1.0


class ClassSource(Source):
    """Labelled images; captions are composed from the names of the labels. With `classify`, the weight of its loss,
    a linear layer that only the training knows tells the labels apart as well: the image tower learns them sooner."""

    kind: Literal["classes"]
    path: str
    classify: NonNegativeFloat = 0.0


class CaptionSource(Source):
    """Images with captions written by people."""

    kind: Literal["captions"]
    path: str


class SceneSource(Source):
    """Painted scenes, seeds `first_seed` to `first_seed + count - 1`."""

    kind: Literal["scenes"]
    count: PositiveInt
    first_seed: NonNegativeInt


AnySource = Annotated[ClassSource | CaptionSource | SceneSource, Field(discriminator="kind")]


class Phase(Frozen):
    """Steps before `before` (and after the phase above) see something else than the rest of the run.

    `size`: images of another side than the model's own (Howard 2018, progressive resizing). `shares`: how many
    images of each source, in the order of the sources, make up a batch. `min_area`: how much of an image a crop
    shows at least, for every source. `classify`: whether the linear layers of labelled sources learn.
    """

    before: PositiveInt
    size: PositiveInt | None = None
    shares: tuple[PositiveInt, ...] | None = None
    min_area: float | None = Field(default=None, gt=0, le=1)
    classify: bool = True


class Schedule(Frozen):
    """How long and how fast. Defaults are the paper's (table 18) where a small run can use them.

    `shape`: after the warm-up the rate falls as half a `cosine`, or stays until `decay_from` (a share of `steps`) and
    then falls in a straight line, a `trapezoid` (Hägele et al. 2024), whose length can be decided late.
    `recalibrate`: over how many batches of whole images batch normalisation is measured after the last step
    (`train/recalibrate.py`); 0 leaves what it kept during training.
    """

    steps: PositiveInt
    warmup_steps: NonNegativeInt = 500
    shape: Literal["cosine", "trapezoid"] = "cosine"
    decay_from: float = Field(default=0.6, ge=0, lt=1)
    learning_rate: PositiveFloat = 5e-4
    weight_decay: NonNegativeFloat = 0.2
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)
    epsilon: PositiveFloat = 1e-6
    clip_norm: PositiveFloat = 1.0
    micro_batch: PositiveInt | None = None
    recompute: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    recalibrate: NonNegativeInt = 0


class Augment(Frozen):
    """How images vary from one visit to the next; crops are per source."""

    brightness: NonNegativeFloat = 0.0
    contrast: NonNegativeFloat = 0.0
    saturation: NonNegativeFloat = 0.0
    grey: float = Field(default=0.0, ge=0, le=1)
    erase: float = Field(default=0.0, ge=0, le=1)


class Evaluation(Frozen):
    """A measurement taken during training, on data that is not trained on."""

    kind: Literal["zeroshot", "retrieval"]
    path: str
    every: PositiveInt


class Recipe(Frozen):
    """A whole run."""

    name: str = Field(min_length=1)
    seed: NonNegativeInt = 0
    model: ModelRecipe
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    preprocess: PreprocessConfig
    data: tuple[AnySource, ...] = Field(min_length=1)
    schedule: Schedule
    phases: tuple[Phase, ...] = ()
    augment: Augment = Augment()
    evaluate: tuple[Evaluation, ...] = ()

    def phase(self, step: int) -> Phase | None:
        """The phase that `step` falls into, None after the last."""
        return next((phase for phase in self.phases if step < phase.before), None)

    def image_size(self, step: int) -> int:
        """Side of the images that `step` trains on."""
        phase = self.phase(step)
        return (phase and phase.size) or self.preprocess.image_size

    def shares(self, step: int) -> tuple[int, ...]:
        """How many images of each source make up the batch of `step`."""
        phase = self.phase(step)
        return (phase and phase.shares) or tuple(source.share for source in self.data)

    def min_areas(self, step: int) -> tuple[float, ...]:
        """How much of an image the crops of `step` show at least, for each source."""
        phase = self.phase(step)
        return tuple((phase and phase.min_area) or source.min_area for source in self.data)

    def classifies(self, step: int) -> bool:
        """Whether the linear layers of labelled sources learn in `step`."""
        phase = self.phase(step)
        return phase is None or phase.classify

    def visited(self, step: int) -> tuple[int, ...]:
        """How many images of each source all steps before `step` have seen."""
        totals, begin = [0] * len(self.data), 0
        for end in [*(phase.before for phase in self.phases), step]:
            end = min(end, step)
            if end > begin:
                totals = [
                    total + share * (end - begin) for total, share in zip(totals, self.shares(begin), strict=True)
                ]
                begin = end
        return tuple(totals)

    @model_validator(mode="after")
    def _agrees(self) -> Recipe:
        if self.preprocess.image_size != self.model.vision.image_size:
            raise ValueError(
                f"preprocess.image_size {self.preprocess.image_size} is not model.vision.image_size "
                f"{self.model.vision.image_size}"
            )
        if any(phase.size for phase in self.phases) and not isinstance(self.model.vision, SmallResNetConfig):
            raise ValueError(f"phases.size needs a tower for any size: small_resnet, not {self.model.vision.kind}")
        if any(phase.shares and len(phase.shares) != len(self.data) for phase in self.phases):
            raise ValueError(f"phases.shares needs {len(self.data)} numbers, one for each source")
        ends = [phase.before for phase in self.phases]
        if ends != sorted(set(ends)):
            raise ValueError(f"phases.before must ascend, not {ends}")
        if self.schedule.warmup_steps >= self.schedule.steps:
            raise ValueError(f"warmup_steps {self.schedule.warmup_steps} leaves nothing of {self.schedule.steps} steps")
        return self


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe. Raises `ConfigError` that names the file and the field."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    return parse(Recipe, data, str(path))
