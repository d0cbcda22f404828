"""The regressor of variational information distillation."""

from __future__ import annotations

from torch import Tensor, nn

from ..registry import MODELS


@MODELS.register_module()
class VIDRegressor(nn.Module):
    r"""Predict mean and variance of the teacher's map from the student's, for ``VIDLoss``.

    torchdistill's ``Regressor4VID``: three 1×1 convolutions for the mean, one variance per
    channel, :math:`\log(1 + e^{\alpha_c}) + \epsilon`. Source: Ahn et al., "Variational
    Information Distillation for Knowledge Transfer", CVPR 2019, arXiv 1904.05835, eq. 5 to 7;
    the defaults are those of ``HobbitLong/RepDistiller``.

    Args:
        in_channels: channels of the student's map; inferred in a distiller if left out.
        out_channels: channels of the teacher's map; inferred likewise.
        middle_channels: channels between the convolutions; the teacher's if left out.
        eps: smallest variance, above 0.
        init_pred_var: variance at the beginning, above ``eps``.

    Raises:
        ImportError: if torchdistill is not installed.
        ValueError: if a channel count is below 1, or the variances are not in order.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        middle_channels: int | None = None,
        eps: float = 1e-5,
        init_pred_var: float = 5.0,
    ) -> None:
        super().__init__()
        middle_channels = out_channels if middle_channels is None else middle_channels
        channels = (in_channels, middle_channels, out_channels)
        if min(channels) < 1:
            raise ValueError(f'channels must be positive, got {channels}')
        if not 0 < eps < init_pred_var:
            raise ValueError(f'0 < eps < init_pred_var must hold, got {eps} and {init_pred_var}')
        try:
            from torchdistill.models.wrapper import Regressor4VID
        except ImportError as error:
            if (error.name or '').startswith('torchvision'):
                remedy = 'torchvision, which torchdistill.models imports: pip install torchvision'
            else:
                remedy = "torchdistill: pip install 'ickd-mm[torchdistill]'"
            raise ImportError(f'VIDRegressor needs {remedy} ({error})') from error
        self.regressor = Regressor4VID(*channels, eps, init_pred_var)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, in_channels, H, W) to mean (N, out_channels, H, W) and variance per channel."""
        return self.regressor(x)
