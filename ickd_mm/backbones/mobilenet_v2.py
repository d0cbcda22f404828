"""MobileNetV2 for 32×32 images."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from ..registry import MODELS
from .initialization import KAIMING

# expansion, channels at width 1, blocks, stride of the first block
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
NORM = dict(type='BN')


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise 3×3 convolution, linear 1×1; a shortcut where shapes agree.

    Unlike mmpretrain's block it keeps the first convolution where that expands nothing.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 or 2, of the 3×3 convolution.
        expansion: channels in between, as a multiple of ``in_channels``.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = ConvModule(in_channels, inner, 1, norm_cfg=NORM)
        self.depthwise = ConvModule(
            inner, inner, 3, stride=stride, padding=1, groups=inner, norm_cfg=NORM
        )
        self.project = ConvModule(inner, out_channels, 1, norm_cfg=NORM, act_cfg=None)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        made = self.project(self.depthwise(self.expand(x)))
        return x + made if self.has_shortcut else made


@MODELS.register_module()
class CIFARMobileNetV2(BaseBackbone):
    """MobileNetV2 of arXiv 1801.04381 as the CIFAR field uses it.

    Strides 2 in the first convolution and in stages 3, 4 and 6 alone, ReLU instead of ReLU6,
    1280 channels at the end whatever the width. As in ``HobbitLong/RepDistiller``,
    ``models/mobilenetv2.py``, where ``mobile_half`` has width 0.5.

    ``forward`` maps (N, 3, H, W) to a tuple of one map, (N, 1280, H/16, W/16), the one that is
    pooled. The field's methods match the map before the last 1×1 convolution, ``layer7``,
    (N, 160, H/16, W/16) at width 0.5.

    Args:
        widen_factor: factor on every stage's channels; above 1 also on the last 1280.
        init_cfg: mmengine's; normal of variance 2 / fan-out by default, as in the source.

    Raises:
        ValueError: if ``widen_factor`` is below 1/16, where a stage would have no channel.
    """

    def __init__(self, widen_factor: float = 0.5, init_cfg: dict | list | None = KAIMING) -> None:
        super().__init__(init_cfg)
        if widen_factor < 1 / 16:
            raise ValueError(f'widen_factor must be at least 1/16, got {widen_factor!r}')
        channels = int(32 * widen_factor)
        self.conv1 = ConvModule(3, channels, 3, stride=2, padding=1, norm_cfg=NORM)
        for number, (expansion, width, blocks, stride) in enumerate(STAGES, start=1):
            stage = []
            for block in range(blocks):
                out_channels = int(width * widen_factor)
                first_stride = stride if block == 0 else 1
                stage.append(InvertedResidual(channels, out_channels, first_stride, expansion))
                channels = out_channels
            self.add_module(f'layer{number}', nn.Sequential(*stage))
        self.conv2 = ConvModule(channels, int(1280 * max(1.0, widen_factor)), 1, norm_cfg=NORM)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the last map of images (N, 3, H, W), in a tuple."""
        x = self.conv1(x)
        for number in range(1, len(STAGES) + 1):
            x = getattr(self, f'layer{number}')(x)
        return (self.conv2(x),)
