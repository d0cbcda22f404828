"""The inter-channel correlation loss as a module."""

from __future__ import annotations

from torch import Tensor, nn

from ..functional.cells import Grid, parse_grid
from ..functional.icc import icc_loss
from ..registry import MODELS
from .weight import checked_weight


@MODELS.register_module()
class ICKDLoss(nn.Module):
    r"""Inter-channel correlation distillation (ICKD-C with one cell, ICKD-S with more).

    .. math:: L = \text{loss\_weight} \cdot \texttt{icc\_loss}(s, t)

    with :func:`ickd_mm.functional.icc_loss`, which gives the formula and its sources.
    Computed in float32 whatever autocast says (fp16 Gram matrices overflow).

    Args:
        grid: ``n`` for n×n cells or ``(n, m)``. 1 is ICKD-C.
        normalize: True for the released row-normalised form, False for the paper's equation.
        center: take each channel's mean over its cell away first: covariances are compared.
        loss_weight: factor on the loss, finite and at least 0.
        cross: correlate the student's channels with the teacher's; the maps must have one size.

    Raises:
        TypeError: if ``grid`` is not an integer or a pair of integers, or a switch is not a bool.
        ValueError: if ``grid`` is below 1 or ``loss_weight`` below 0 or infinite.
    """

    def __init__(
        self,
        grid: Grid = 1,
        normalize: bool = True,
        center: bool = False,
        loss_weight: float = 1.0,
        cross: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (('normalize', normalize), ('center', center), ('cross', cross)):
            if not isinstance(value, bool):
                raise TypeError(f'{name} must be True or False, got {value!r}')
        self.grid, self.normalize, self.center = parse_grid(grid), normalize, center
        self.cross = cross
        self.loss_weight = checked_weight(loss_weight)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the weighted loss of (N, C, H, W) against (N, C, H', W'), a scalar."""
        form = self.normalize, self.center, self.cross
        return self.loss_weight * icc_loss(student, teacher, self.grid, *form)

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        names = ('grid', 'normalize', 'center', 'cross', 'loss_weight')
        return ', '.join(f'{name}={getattr(self, name)}' for name in names)
