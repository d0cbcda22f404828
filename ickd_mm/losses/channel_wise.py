"""The divergence between channels as a module."""

from __future__ import annotations

from torch import Tensor, nn

from ..functional.channel_wise import channel_wise_divergence
from ..functional.checks import check_temperature
from ..registry import MODELS
from .weight import checked_weight


@MODELS.register_module()
class ChannelWiseDivergence(nn.Module):
    r"""Channel-wise distillation (CWD): Shu et al., ICCV 2021, arXiv 2011.13256.

    .. math:: L = \text{loss\_weight} \cdot \texttt{channel\_wise\_divergence}(s, t, \tau)

    with :func:`ickd_mm.functional.channel_wise_divergence`, which gives the formula.

    Args:
        tau: temperature above 0, :math:`\tau`; the factor :math:`\tau^2` is included.
        loss_weight: factor on the loss, finite and at least 0.

    Raises:
        ValueError: if ``tau`` or ``loss_weight`` is out of its range.
    """

    def __init__(self, tau: float = 4.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.tau = check_temperature(tau)
        self.loss_weight = checked_weight(loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the weighted loss of two maps (N, C, H, W), a scalar."""
        return self.loss_weight * channel_wise_divergence(student, teacher, self.tau)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return f'tau={self.tau}, loss_weight={self.loss_weight}'
