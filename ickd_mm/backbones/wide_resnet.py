"""Wide ResNet for 32×32 images."""

from __future__ import annotations

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from ..registry import MODELS
from .initialization import KAIMING


class PreActivationBlock(nn.Module):
    """Two 3×3 convolutions, each after batch norm and ReLU, with a shortcut around them.

    A shortcut that changes the channels starts after the first batch norm and ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        active = self.relu(self.bn1(x))
        around = x if self.shortcut is None else self.shortcut(active)
        return around + self.conv2(self.relu(self.bn2(self.conv1(active))))


@MODELS.register_module()
class CIFARWideResNet(BaseBackbone):
    r"""Wide ResNet of arXiv 1605.07146: three stages of :math:`(d-4)/6` pre-activation blocks.

    The stages have 16k, 32k and 64k channels on 32×32, 16×16 and 8×8 maps. As in
    ``HobbitLong/RepDistiller``, ``models/wrn.py``, without its dropout of rate 0.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 64k, H/4, W/4): the last before
    pooling, after the final batch norm and ReLU. This is the map that the released ICKD code
    matches (``ADLab-AutoDrive/ICKD``, ``Cifar100/models/wrn.py``); RepDistiller's own methods
    take ``layer3``, before that batch norm.

    Args:
        depth: 6n + 4 with n at least 1, e.g. 16 or 40.
        widen_factor: k, at least 1.
        init_cfg: mmengine's; normal of variance 2 / fan-out by default, as in the source.

    Raises:
        ValueError: for another depth or factor.
    """

    def __init__(
        self, depth: int, widen_factor: int = 1, init_cfg: dict | list | None = KAIMING
    ) -> None:
        super().__init__(init_cfg)
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f'depth must be 6n + 4 (10, 16, ..., 40), got {depth!r}')
        if widen_factor < 1:
            raise ValueError(f'widen_factor must be at least 1, got {widen_factor!r}')
        blocks, width = (depth - 4) // 6, 16 * widen_factor
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.layer1 = self._stage(blocks, 16, width, stride=1)
        self.layer2 = self._stage(blocks, width, 2 * width, stride=2)
        self.layer3 = self._stage(blocks, 2 * width, 4 * width, stride=2)
        self.bn1 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)

    @staticmethod
    def _stage(blocks: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        first = PreActivationBlock(in_channels, out_channels, stride)
        rest = (PreActivationBlock(out_channels, out_channels, 1) for _ in range(blocks - 1))
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the last map of images (N, 3, H, W), in a tuple."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return (self.relu(self.bn1(x)),)
