"""The catalog of known public checkpoints, and what is known of each before it is downloaded.

A frozen description each. Measured numbers are the published ones, in percent: zero-shot top-1 accuracy on ImageNet,
and recall@1 on the test sets of COCO (5,000 pictures) and Flickr30k (1,000), text to image and image to text, as
`source` has them. What a description says about the towers is checked when the model is loaded: a repository whose
configuration forgets the activation would otherwise give poor vectors without any error.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from core.errors import ModelError
from core.model.config import OPENAI_MEAN, Activation, ModelConfig
from core.schema import Frozen

RESULTS = "open_clip docs/openclip_results.csv and docs/openclip_retrieval_results.csv"
OPENAI_LICENCE = "MIT; its model card calls deployment out of scope"
APPLE_LICENCE = "Apple AMLR, for research; read it before use"
INCEPTION_MEAN = (0.5, 0.5, 0.5)


class Description(Frozen):
    """A model on the hub. `revision` is a commit where one is pinned; the measured numbers are percent.

    `format` says which files of the repository are meant; some hold a model in several, with small differences.
    """

    name: str
    repo: str
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    format: Literal["openclip", "transformers"]
    parameters: PositiveInt
    image_size: PositiveInt
    embed_dim: PositiveInt
    activation: Activation
    mean: tuple[float, float, float] = OPENAI_MEAN
    resize: Literal["shortest", "squash"] = "shortest"
    imagenet: float | None = None
    coco_text_to_image: float | None = None
    coco_image_to_text: float | None = None
    flickr_text_to_image: float | None = None
    licence: str = "MIT"
    source: str = RESULTS
    aliases: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Where people read about it."""
        return f"https://huggingface.co/{self.repo}"

    def check(self, config: ModelConfig) -> None:
        """Raises `ModelError` if a loaded configuration is not what is known about this model."""
        vision, text = config.clip.vision, config.clip.text
        found = {
            "image_size": (vision.image_size, self.image_size),
            "embed_dim": (config.clip.embed_dim, self.embed_dim),
            "image tower's activation": (getattr(vision, "activation", self.activation), self.activation),
            "text tower's activation": (getattr(text, "activation", self.activation), self.activation),
            "mean": (config.preprocess.mean, self.mean),
            "resize": (config.preprocess.resize, self.resize),
        }
        wrong = [f"{what} {got}, not {known}" for what, (got, known) in found.items() if got != known]
        if wrong:
            raise ModelError(
                f"the configuration in {self.repo} contradicts what is known about {self.name}: {'; '.join(wrong)}; "
                f"if you trust the repository, name it itself: hf:{self.repo}"
            )


Shape = tuple[int, int, int]  # parameters of both towers, image size, embed_dim

RN50, RN101 = (102_007_137, 224, 1024), (119_688_033, 224, 512)
RN50X4, RN50X16, RN50X64 = (178_300_601, 288, 640), (290_979_217, 384, 768), (623_258_305, 448, 1024)
B_32, B_32_256, B_16 = (151_277_313, 224, 512), (151_288_833, 256, 512), (149_620_737, 224, 512)
L_14, L_14_336, H_14 = (427_616_513, 224, 768), (427_944_193, 336, 768), (986_109_441, 224, 1024)


def _openai(
    name: str,
    repo: str,
    shape: Shape,
    numbers: tuple[float, float, float, float],
    *,
    revision: str | None = None,
    alias: bool = False,
) -> Description:
    return Description(
        name=f"{name}/openai",
        repo=repo,
        revision=revision,
        format="transformers" if repo.startswith("openai/") else "openclip",
        parameters=shape[0],
        image_size=shape[1],
        embed_dim=shape[2],
        activation="quick_gelu",
        imagenet=numbers[0],
        coco_text_to_image=numbers[1],
        coco_image_to_text=numbers[2],
        flickr_text_to_image=numbers[3],
        licence=OPENAI_LICENCE,
        aliases=(name,) if alias else (),
    )


def _openclip(
    name: str,
    repo: str,
    shape: Shape,
    numbers: tuple[float, float | None, float | None, float | None],
    *,
    revision: str | None = None,
    activation: Activation = "gelu",
    mean: tuple[float, float, float] = OPENAI_MEAN,
    resize: Literal["shortest", "squash"] = "shortest",
    licence: str = "MIT",
    aliases: tuple[str, ...] = (),
) -> Description:
    return Description(
        name=name,
        repo=repo,
        revision=revision,
        format="openclip",
        parameters=shape[0],
        image_size=shape[1],
        embed_dim=shape[2],
        activation=activation,
        mean=mean,
        resize=resize,
        imagenet=numbers[0],
        coco_text_to_image=numbers[1],
        coco_image_to_text=numbers[2],
        flickr_text_to_image=numbers[3],
        licence=licence,
        aliases=aliases,
    )


# Within a shape in the order of their ages.  Numbers: ImageNet, COCO text -> image and image -> text, Flickr t -> i.
DESCRIPTIONS = (
    _openclip(
        "ViT-B-32-256/datacomp_s34b_b86k",
        "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
        B_32_256,
        (72.81, 39.93, 57.92, 64.92),
        revision="ba78df284b4e6ddd1a53107796b2ed7b59c45ced",
        aliases=("ViT-B-32-256",),
    ),
    _openai("ViT-B-32", "openai/clip-vit-base-patch32", B_32, (63.32, 30.44, 50.12, 58.78)),
    _openclip(
        "ViT-B-32/laion2b_s34b_b79k",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        B_32,
        (66.56, 39.34, 56.32, 66.78),
    ),
    _openclip(
        "ViT-B-32/datacomp_xl_s13b_b90k",
        "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
        B_32,
        (69.17, 37.14, 53.54, 61.08),
    ),
    _openai("ViT-B-16", "openai/clip-vit-base-patch16", B_16, (68.34, 33.09, 52.42, 62.16)),
    _openclip(
        "ViT-B-16/laion2b_s34b_b88k",
        "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
        B_16,
        (70.23, 42.31, 59.44, 69.84),
    ),
    _openclip(
        "ViT-B-16/datacomp_xl_s13b_b90k",
        "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        B_16,
        (73.49, 40.16, 57.44, 67.56),
    ),
    _openclip(
        "ViT-B-16/dfn2b",
        "apple/DFN2B-CLIP-ViT-B-16",
        B_16,
        (76.24, 43.4, 60.4, 69.1),
        licence=APPLE_LICENCE,
    ),
    _openai("ViT-L-14", "openai/clip-vit-large-patch14", L_14, (75.54, 36.51, 56.34, 64.96)),
    _openclip(
        "ViT-L-14/laion2b_s32b_b82k",
        "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
        L_14,
        (75.25, 46.51, 63.36, 75.52),
        mean=INCEPTION_MEAN,  # unlike its siblings
    ),
    _openclip(
        "ViT-L-14/datacomp_xl_s13b_b90k",
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
        L_14,
        (79.21, 45.73, 63.30, 73.38),
    ),
    _openclip(
        "ViT-L-14/dfn2b",
        "apple/DFN2B-CLIP-ViT-L-14",
        L_14,
        (81.41, 48.6, 65.6, 75.5),
        activation="quick_gelu",
        licence=APPLE_LICENCE,
    ),
    _openai("ViT-L-14-336", "openai/clip-vit-large-patch14-336", L_14_336, (76.56, 37.09, 57.94, 66.90), alias=True),
    _openclip(
        "ViT-H-14/laion2b_s32b_b79k",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        H_14,
        (77.96, 49.48, 65.92, 77.64),
    ),
    _openclip(
        "ViT-H-14/dfn5b",
        "apple/DFN5B-CLIP-ViT-H-14",
        H_14,
        (83.44, None, None, None),
        activation="quick_gelu",
        resize="squash",
        licence=APPLE_LICENCE,
    ),
    _openai(
        "RN50",
        "timm/resnet50_clip.openai",
        RN50,
        (59.82, 28.54, 48.84, 57.36),
        revision="b5ad1dd2714e05200953a70eb508a352fc52b803",  # the commit before it lacks "quick_gelu"
        alias=True,
    ),
    _openai("RN101", "timm/resnet101_clip.openai", RN101, (62.28, 30.69, 49.82, 58.04), alias=True),
    _openai("RN50x4", "timm/resnet50x4_clip.openai", RN50X4, (66.27, 33.39, 52.96, 62.58), alias=True),
    _openai("RN50x16", "timm/resnet50x16_clip.openai", RN50X16, (70.72, 35.41, 55.36, 65.34), alias=True),
    _openai("RN50x64", "timm/resnet50x64_clip.openai", RN50X64, (73.91, 35.24, 58.42, 68.98), alias=True),
)

BY_NAME = {description.name: description for description in DESCRIPTIONS} | {
    alias: description for description in DESCRIPTIONS for alias in description.aliases
}
