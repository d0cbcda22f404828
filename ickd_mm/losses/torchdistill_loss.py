"""The losses of torchdistill 1.1.5 between one student and one teacher tensor."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..functional.checks import check_floating, shown
from ..functional.precision import work_dtype
from ..registry import MODELS
from .weight import checked_weight

ROWS, MAPS = {2: 'rows (N, C)'}, {4: 'maps (N, C, H, W)'}


class Rule(NamedTuple):
    """What one loss takes; torchdistill itself broadcasts odd shapes without a word."""

    dims: dict[int, str] = ROWS | MAPS  # numbers of dimensions, with their names
    equal: str = 'NCHW'  # axes on which student and teacher must agree
    images: int = 0  # how many images or rows it needs to compare them; 0 if it compares none
    pole: str = ''  # rows where the derivative is unbounded: zero, flat, twin, uniform (_hold)
    reductions: tuple[str, ...] = ()  # values of reduction that mean what they say
    defaults: dict[str, Any] = {}  # noqa: RUF012 (of arguments that torchdistill leaves open)


MEAN, BATCH, KL = ('mean', 'sum'), ('batchmean', 'sum'), ('batchmean', 'mean', 'sum')
GAUSSIAN = {'type': 'gaussian', 'gamma': 0.4, 'max_p': 2}
RULES = {
    'ATLoss': Rule(MAPS, 'NHW'),
    'AffinityLoss': Rule(MAPS, pole='zero channel norm', reductions=MEAN),
    'AltActTransferLoss': Rule(reductions=MEAN, defaults={'margin': 1.0}),
    'CCKDLoss': Rule(ROWS, 'N', 1, reductions=BATCH, defaults={'kernel_config': GAUSSIAN}),
    'ChSimLoss': Rule(MAPS, 'NC', pole='zero channel'),
    'DISTLoss': Rule(ROWS, pole='uniform'),
    'FTLoss': Rule(pole='zero norm', reductions=MEAN),
    'HierarchicalContextLoss': Rule(MAPS, reductions=MEAN),
    'KDLoss': Rule(ROWS, reductions=KL, defaults={'temperature': 1.0}),
    'KTALoss': Rule(pole='zero norm', reductions=MEAN),
    'LogitStdKDLoss': Rule(ROWS, pole='flat', reductions=KL, defaults={'temperature': 2.0}),
    'PKTLoss': Rule(ROWS, 'N', 1, 'zero norm'),
    'RKDLoss': Rule(ROWS | MAPS, 'N', 2, 'twin', MEAN, {'dist_factor': 1.0, 'angle_factor': 2.0}),
    'SKDDirectionLoss': Rule(ROWS, 'N', 2, 'zero norm'),
    'SKDInstanceLoss': Rule(ROWS),
    'SPKDLoss': Rule(ROWS | MAPS, 'N', 1, 'zero', BATCH),
    'VIDLoss': Rule(MAPS),
}
REFUSED = {
    'AuxSSKDLoss': 'it trains a part of the teacher, which is frozen here',
    'CRDLoss': 'it needs the index of every sample and keeps a memory of all of them',
    'DISTPlusLoss': 'it needs logits and features at once; DISTLoss takes the logits',
    'FSPLoss': 'it needs two layers of each model, a pair has one',
    'PADL2Loss': 'it needs the variances that a second branch of the student predicts',
    'RegularizationLoss': 'it looks at one of the two models only',
    'SRDLoss': 'it needs logits and features at once',
    'SSKDLoss': 'it needs labels, rotated images and a self-supervised branch in both models',
}
PLACE = {'path': 'pair', 'io': 'output'}  # where every loss is told to find its two tensors
PLACES: dict[str, Any] = {**PLACE, 'pairs': {'pair': {'student': PLACE, 'teacher': PLACE}}}
TUPLES = ('VIDLoss', 'HierarchicalContextLoss')  # two of the student; the latter ignores one


def _build(key: str, kwargs: dict[str, Any]) -> nn.Module:
    try:
        from torchdistill.losses import mid_level
    except ImportError as error:
        raise ImportError(f"{key} needs pip install 'ickd-mm[torchdistill]': {error}") from error
    if key in REFUSED:
        raise ValueError(f'{key} does not fit a pair: {REFUSED[key]}')
    if key not in RULES:
        raise KeyError(f'torchdistill has no loss {key!r} for a pair; it has {", ".join(RULES)}')
    rule, names = RULES[key], inspect.signature(getattr(mid_level, key)).parameters
    fixed = {name: PLACES[name.split('_')[-1]] for name in names if name.split('_')[-1] in PLACES}
    fixed.update({'alpha': 0, 'beta': 0} if 'alpha' in names else {})  # weights of its label term
    free = [name for name in names if name not in fixed and name != 'kwargs']
    if unknown := [name for name in kwargs if name not in free]:
        takes = f"it takes {', '.join(free) or 'none'}; modules and labels are the distiller's"
        raise TypeError(f'{key} takes no argument {unknown[0]!r} here: {takes}')
    values = {**dict(zip(['reduction'], rule.reductions)), **rule.defaults, **kwargs}
    if key == 'CCKDLoss':
        values['kernel_config'] = {**GAUSSIAN, **values['kernel_config']}
    if rule.reductions and values['reduction'] not in rule.reductions:
        raise ValueError(f'reduction must be in {rule.reductions}, got {values["reduction"]!r}')
    if not all(0 < values.get(name, 1) < torch.inf for name in ('temperature', 'tau')):
        raise ValueError(f'temperature and tau must be positive and finite, got {kwargs}')
    return getattr(mid_level, key)(**fixed, **values)


def _hold(x: Tensor, pole: str) -> Tensor:
    """Take the gradient from rows at a pole; zero rows by whose norm a loss divides become 1e-6."""
    rows = x.flatten(2 if 'channel' in pole else 1)
    held = (rows == (rows[:, :1] if pole in ('flat', 'uniform') else 0)).all(-1, keepdim=True)
    if pole == 'uniform' and len(rows) > 1:
        held = held | (rows == rows[:1]).all()
    if pole == 'twin':
        held = (rows[:, None] == rows).all(-1).sum(1, keepdim=True) > 1
    return torch.where(held, 1e-6 if 'norm' in pole else rows.detach(), rows).view_as(x)


@MODELS.register_module()
class TorchdistillLoss(nn.Module):
    r"""A loss of torchdistill by its name there, :math:`\text{loss\_weight} \cdot \ell(s, t)`.

    Formulas, papers and arguments: ``torchdistill.losses.mid_level`` (AT is ``ATLoss``, SP
    ``SPKDLoss``, CC ``CCKDLoss``, ICKD ``ChSimLoss`` with one more division by N). ``KDLoss`` lacks
    the :math:`\tau^2` of :class:`ickd_mm.KLDivergence`, ``FTLoss`` a paraphraser. In float32 under
    autocast. Zeros, equal logits and equal images get no gradient where it would have no bound.

    Args:
        key: the loss's name.
        rows: turns maps into rows (N, C): 'images' takes the mean over H and W, 'pixels' makes
            each pixel a row (only for small maps where the loss compares rows with each other).
        unit: divide rows, or a pixel's channels, by their norm first, as ``CCKDLoss`` expects.
        loss_weight: factor on the loss, finite and at least 0.
        kwargs: the loss's own arguments; ``kernel_config`` may name only what it changes.

    Raises:
        ImportError: if torchdistill is not installed.
        KeyError, TypeError: for an unknown loss or argument, with those that exist.
        ValueError: for a loss that does not fit a pair, with the reason; a wrong value or shape.
    """

    def __init__(
        self,
        key: str,
        rows: str | None = None,
        unit: bool = False,
        loss_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.loss, self.loss_weight = _build(key, kwargs), checked_weight(loss_weight)
        self.key, self.rule, self.rows, self.unit, self.kwargs = key, RULES[key], rows, unit, kwargs
        if rows not in ((None, 'images', 'pixels') if 2 in self.rule.dims else (None,)):
            raise ValueError(f"rows must be None (for rows 'images', 'pixels'), got {rows!r}")

    def forward(self, student: Tensor | tuple[Tensor, Tensor], teacher: Tensor) -> Tensor:
        """Return the weighted loss, a scalar; the student of ``VIDLoss`` is mean and variance."""
        x, *variance = student if isinstance(student, tuple) else (student,)
        if len(variance) != (self.key == 'VIDLoss'):
            raise ValueError(
                'VIDLoss needs the output of ickd_mm.VIDRegressor; no other loss takes it'
            )
        check_floating(student=x, teacher=teacher)
        dtype, rule = work_dtype(x, teacher), self.rule
        with torch.autocast(teacher.device.type, enabled=False):
            x, y = self._prepared(x.to(dtype)), self._prepared(teacher.detach().to(dtype))
            pairs = [(a, b) for axis, a, b in zip('NCHW', x.shape, y.shape) if axis in rule.equal]
            fits = x.dim() == y.dim() in rule.dims and all(a == b for a, b in pairs)
            if not fits or len(x) < rule.images or not x.numel() * y.numel():
                raise ValueError(
                    f'{self.key} takes non-empty {" or ".join(rule.dims.values())} with equal '
                    f'{", ".join(rule.equal)} and N at least {max(1, rule.images)}, got '
                    f'{shown(dict(student=x, teacher=y))}; rows= makes rows of a map, a connector '
                    'changes C, drop_last=True keeps batches whole'
                )
            if len(x) == 1 and rule.images:
                warnings.warn(f'{self.key} compares images: a batch of one gives 0', stacklevel=2)
            x, y = (_hold(z, rule.pole) if rule.pole else z for z in (x, y))
            inputs: Any = (x, *(variance or (None,))) if self.key in TUPLES else x
            loss = self.loss({'pair': {'output': inputs}}, {'pair': {'output': y}}, targets=None)
            if 'norm' in rule.pole and x.requires_grad:  # NaN is that of the root of 0 here
                finite = loss.detach().isfinite()
                x.register_hook(lambda grad: grad.masked_fill(grad.isnan() & finite, 0.0))
            return self.loss_weight * loss

    def _prepared(self, x: Tensor) -> Tensor:
        if x.dim() == 4 and self.rows:
            x = x.mean((2, 3)) if self.rows == 'images' else x.movedim(1, 3).flatten(0, 2)
        if self.unit and x.dim() > 1:
            norm = x.norm(dim=1, keepdim=True)
            x = x / norm.masked_fill(norm < 1e-12, torch.inf)
        return x

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = f'rows={self.rows}, unit={self.unit}, loss_weight={self.loss_weight}'
        return f'{self.key}, {own}, {self.kwargs}'
