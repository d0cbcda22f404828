"""VGG with batch norm for 32×32 images."""

from __future__ import annotations

from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from ..registry import MODELS
from .initialization import KAIMING

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {8: (1, 1, 1, 1, 1), 13: (2, 2, 2, 2, 2)}


def _stage(convolutions: int, in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers)


@MODELS.register_module()
class CIFARVGG(BaseBackbone):
    """VGG-8 and VGG-13 with batch norm (arXiv 1409.1556, configuration B for 13).

    Five stages of 3×3 convolutions with bias, 64, 128, 256, 512 and 512 channels, with a 2×2
    maximum after each of the first three. As in ``HobbitLong/RepDistiller``, ``models/vgg.py``,
    names ``vgg8_bn`` and ``vgg13_bn``, for images of 32×32. mmpretrain's VGG halves the map
    after the fourth stage too.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 512, H/8, W/8): the last before
    pooling.

    Args:
        depth: 8 or 13.
        init_cfg: mmengine's; normal of variance 2 / fan-out by default, as in the source.

    Raises:
        ValueError: for another depth.
    """

    def __init__(self, depth: int, init_cfg: dict | list | None = KAIMING) -> None:
        super().__init__(init_cfg)
        if depth not in CONVOLUTIONS:
            raise ValueError(f'depth must be one of {tuple(CONVOLUTIONS)}, got {depth!r}')
        in_channels = 3
        for number, (count, width) in enumerate(zip(CONVOLUTIONS[depth], WIDTHS), start=1):
            self.add_module(f'layer{number}', _stage(count, in_channels, width))
            in_channels = width
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the last map of images (N, 3, H, W), in a tuple."""
        for stage in (self.layer1, self.layer2, self.layer3):
            x = self.pool(stage(x))
        return (self.layer5(self.layer4(x)),)
