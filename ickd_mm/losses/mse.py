"""The mean squared difference as a module."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ..functional.checks import check_same_shape
from ..functional.precision import work_dtype
from ..registry import MODELS
from .weight import checked_weight


@MODELS.register_module()
class MSELoss(nn.Module):
    r"""Mean squared difference; behind a connector it is FitNet's hint.

    .. math:: L = \frac{\text{loss\_weight}}{N C H W} \sum (s - t)^2

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550,
    eq. 3, which sums and halves where this takes the mean. Computed in float32 whatever
    autocast says, in float64 for float64 tensors.

    Args:
        loss_weight: factor on the loss, finite and at least 0.

    Raises:
        ValueError: if ``loss_weight`` is out of its range.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = checked_weight(loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the weighted loss of two equally large tensors, a scalar.

        Args:
            student: (N, C), (N, L, C) or (N, C, H, W), behind its connector.
            teacher: the same shape; no gradient flows into it.

        Raises:
            TypeError: for anything but a floating-point tensor.
            ValueError: if the shapes differ, with both of them and what to do.
        """
        check_same_shape(student, teacher, (2, 3, 4), '(N, C), (N, L, C) or (N, C, H, W)')
        with torch.autocast(student.device.type, enabled=False):
            dtype = work_dtype(student, teacher)
            loss = mse_loss(student.to(dtype), teacher.detach().to(dtype))
            return self.loss_weight * loss

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        return f'loss_weight={self.loss_weight}'
