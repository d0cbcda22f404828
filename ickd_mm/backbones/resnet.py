"""ResNet with three stages for 32×32 images."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from mmpretrain.models.backbones.resnet import BasicBlock
from mmpretrain.models.backbones.resnet_cifar import ResNet_CIFAR

from ..registry import MODELS

DEPTHS = (8, 14, 20, 32, 44, 56, 110)


@MODELS.register_module()
class CIFARResNet(ResNet_CIFAR):
    r"""ResNet-8 to -110 of arXiv 1512.03385, section 4.2: three stages of :math:`(d-2)/6` blocks.

    The stages have w, 2w and 4w channels on 32×32, 16×16 and 8×8 maps, w = ``base_channels``.
    mmpretrain's network for CIFAR with fewer stages; where a stage changes the channels its
    shortcut is a 1×1 convolution. As in ``HobbitLong/RepDistiller``, ``models/resnet.py``, whose
    'x4' networks have ``stem_channels=32, base_channels=64``.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 4w, H/4, W/4): the last before
    pooling.

    Args:
        depth: 8, 14, 20, 32, 44, 56 or 110.
        stem_channels: channels of the first convolution.
        base_channels: channels of the first stage.
        channels_last: keep channels innermost in memory, which is faster on a CPU.
        kwargs: further arguments of mmpretrain's ``ResNet_CIFAR``.

    Raises:
        ValueError: for another depth.
    """

    arch_settings: ClassVar = {d: (BasicBlock, ((d - 2) // 6,) * 3) for d in DEPTHS}

    def __init__(
        self,
        depth: int,
        stem_channels: int = 16,
        base_channels: int = 16,
        channels_last: bool = False,
        **kwargs: Any,
    ) -> None:
        if depth not in DEPTHS:
            raise ValueError(f'depth must be one of {DEPTHS}, got {depth!r}')
        defaults = dict(
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            zero_init_residual=False,
        )
        super().__init__(
            depth,
            stem_channels=stem_channels,
            base_channels=base_channels,
            **{**defaults, **kwargs},
        )
        if channels_last:
            self.to(memory_format=torch.channels_last)
