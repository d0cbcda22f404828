"""ShuffleNetV2 for 32×32 images."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.backbones.shufflenet_v2 import ShuffleNetV2
from torch import nn

from ..registry import MODELS
from .initialization import TORCH

STEM = 24  # whatever the width


@MODELS.register_module()
class CIFARShuffleNetV2(ShuffleNetV2):
    """ShuffleNetV2 of arXiv 1807.11164 with a stem that keeps 32×32 images whole.

    mmpretrain's network with a 1×1 convolution without stride for its first layers. As in
    ``HobbitLong/RepDistiller``, ``models/ShuffleNetv2.py``, size 1.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 1024, H/8, W/8) at width 1, the one
    that is pooled. The field's methods match the map before the last 1×1 convolution,
    ``layers.2``, (N, 464, H/8, W/8).

    Args:
        widen_factor: 0.5, 1.0, 1.5 or 2.0.
        init_cfg: mmengine's; torch's own start by default, as in the source.
        kwargs: further arguments of mmpretrain's ``ShuffleNetV2``.
    """

    def __init__(
        self, widen_factor: float = 1.0, init_cfg: dict | list | None = TORCH, **kwargs: Any
    ) -> None:
        super().__init__(widen_factor, init_cfg=init_cfg, **kwargs)
        self.conv1 = ConvModule(3, STEM, 1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.maxpool = nn.Identity()

    def init_weights(self) -> None:
        """Start as ``init_cfg`` says; mmpretrain's own rule for this network is left out."""
        BaseBackbone.init_weights(self)
