"""A linear transform that brings the student's map to the teacher's channel count."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from torch import Tensor, nn

from ..registry import MODELS


@MODELS.register_module()
class ConvConnector(nn.Module):
    r"""Convolution without bias and batch norm: :math:`C_l(F_s) = \mathrm{BN}(W * F_s)`.

    Trained with the student and dropped after training (arXiv 2202.03680, eq. 4; the
    released ImageNet recipe uses kernel size 3, the CIFAR-100 code 1).

    Args:
        in_channels: channels of the student's map; inferred in a distiller if left out.
        out_channels: channels of the teacher's map; inferred likewise.
        kernel_size: 1 or 3; the map keeps its size.
        norm_cfg: mmcv's norm config.

    Raises:
        ValueError: if ``kernel_size`` is neither 1 nor 3 or a channel count is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        if kernel_size not in (1, 3):
            raise ValueError(f'kernel_size must be 1 or 3, got {kernel_size!r}')
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f'channels must be positive, got {in_channels} -> {out_channels}')
        self.conv = ConvModule(
            in_channels,
            out_channels,
            kernel_size,
            padding=kernel_size // 2,
            bias=False,
            norm_cfg=norm_cfg or dict(type='BN'),
            act_cfg=None,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.conv(x)
