"""How is torchvision imported beside a CPU build of PyTorch?

open_clip, timm and the image processors of transformers import it for its transforms. The build that pip finds for
Linux was made beside PyTorch's CUDA build: its compiled operators do not load without that, and its import ends at the
first of them that it describes. Nobody calls them here; it is enough that PyTorch knows their names.
"""

from __future__ import annotations

from typing import Any

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # an operator is gone with the library that declared it


def import_torchvision() -> None:
    """Makes `import torchvision` work. Changes nothing where it works already. Raises ImportError without it."""
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        import torch

        _declared.append(torch.library.Library("torchvision", "DEF"))
        for operator in OPERATORS:
            _declared[0].define(operator)
        import torchvision  # noqa: F401
