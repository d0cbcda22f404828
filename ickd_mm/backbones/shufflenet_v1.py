"""ShuffleNet for 32×32 images."""

from __future__ import annotations

import torch
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from mmpretrain.models.utils import channel_shuffle
from torch import Tensor, nn

from ..registry import MODELS
from .initialization import TORCH

STEM = 24
GROUPS = 3
STAGES = ((240, 4), (480, 8), (960, 4))  # channels, blocks


class ShuffleUnit(nn.Module):
    """Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1, beside a shortcut.

    With stride 2 the shortcut is a 3×3 average and is concatenated, else it is the input and is
    added. mmpretrain's unit has no ReLU after the 3×3 convolution and other inner widths.

    Args:
        in_channels: channels of the input; the stem's 24 are not grouped.
        out_channels: channels of the output, the shortcut's included.
        stride: 1 or 2.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        made = out_channels - in_channels if stride == 2 else out_channels
        inner = made // 4
        self.groups = 1 if in_channels == STEM else GROUPS
        self.conv1 = nn.Conv2d(in_channels, inner, 1, groups=self.groups, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, made, 1, groups=GROUPS, bias=False)
        self.bn3 = nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        made = channel_shuffle(self.relu(self.bn1(self.conv1(x))), self.groups)
        made = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(made)))))
        if self.pool is None:
            return self.relu(x + made)
        return self.relu(torch.cat((made, self.pool(x)), dim=1))


@MODELS.register_module()
class CIFARShuffleNetV1(BaseBackbone):
    """ShuffleNet of arXiv 1707.01083 with three groups, as the CIFAR field uses it.

    A 1×1 stem without stride, then three stages of 4, 8 and 4 units with 240, 480 and 960
    channels. As in ``HobbitLong/RepDistiller``, ``models/ShuffleNetv1.py``.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 960, H/8, W/8): the last before
    pooling.

    Args:
        init_cfg: mmengine's; torch's own start by default, as in the source.
    """

    def __init__(self, init_cfg: dict | list | None = TORCH) -> None:
        super().__init__(init_cfg)
        self.conv1 = nn.Conv2d(3, STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        channels = STEM
        for number, (width, units) in enumerate(STAGES, start=1):
            first = ShuffleUnit(channels, width, 2)
            rest = (ShuffleUnit(width, width, 1) for _ in range(units - 1))
            self.add_module(f'layer{number}', nn.Sequential(first, *rest))
            channels = width

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the last map of images (N, 3, H, W), in a tuple."""
        x = self.relu(self.bn1(self.conv1(x)))
        return (self.layer3(self.layer2(self.layer1(x))),)
