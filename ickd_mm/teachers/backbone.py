"""A backbone alone as a teacher."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor

from ..registry import MODELS


@MODELS.register_module()
class BackboneTeacher(BaseModel):
    """A model that is a backbone and nothing else; its parts are tapped as ``backbone...``.

    A teacher's config that builds a backbone (``dict(type='mmpretrain.VisionTransformer', ...)``)
    is wrapped in this one.

    Args:
        backbone: config of the backbone.
        data_preprocessor: the normalisation of the images that it was trained on.
    """

    def __init__(self, backbone: dict, data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor)
        self.backbone = MODELS.build(backbone)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Return what the backbone gives for images (N, 3, H, W).

        Raises:
            ValueError: if ``mode`` is not 'tensor': there is no head to score or to train.
        """
        if mode != 'tensor':
            name = type(self.backbone).__name__
            raise ValueError(
                f'the teacher is a backbone alone ({name}): it gives features and predicts '
                'nothing, so that teacher_val and tools/test.py --teacher cannot score it'
            )
        return self.backbone(inputs)
