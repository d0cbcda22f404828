"""The divergence between softened class probabilities as a module."""

from __future__ import annotations

from torch import Tensor, nn

from ..functional.checks import check_temperature
from ..functional.kl_divergence import kl_divergence
from ..registry import MODELS
from .weight import checked_weight


@MODELS.register_module()
class KLDivergence(nn.Module):
    r"""Distillation of logits: Hinton et al. 2015, arXiv 1503.02531; per pixel for maps.

    .. math:: L = \text{loss\_weight} \cdot \texttt{kl\_divergence}(s, t, \tau)

    with :func:`ickd_mm.functional.kl_divergence`, which gives the formula. It stands beside
    the student's own loss, whose weight stays 1.

    Args:
        tau: temperature above 0, :math:`\tau`; the factor :math:`\tau^2` is included.
        loss_weight: factor on the loss, finite and at least 0.
        use_sigmoid: for heads whose channels are sigmoids (``use_sigmoid=True`` in mmseg's losses);
            a head with one channel is such a head.

    Raises:
        TypeError: if ``use_sigmoid`` is not a bool.
        ValueError: if ``tau`` or ``loss_weight`` is out of its range.
    """

    def __init__(
        self, tau: float = 1.0, loss_weight: float = 1.0, use_sigmoid: bool = False
    ) -> None:
        super().__init__()
        if not isinstance(use_sigmoid, bool):
            raise TypeError(f'use_sigmoid must be True or False, got {use_sigmoid!r}')
        self.use_sigmoid = use_sigmoid
        self.tau = check_temperature(tau)
        self.loss_weight = checked_weight(loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the weighted loss of logits (N, K) or (N, K, H, W), a scalar."""
        return self.loss_weight * kl_divergence(student, teacher, self.tau, self.use_sigmoid)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        sigmoid = ', use_sigmoid=True' if self.use_sigmoid else ''
        return f'tau={self.tau}, loss_weight={self.loss_weight}{sigmoid}'
