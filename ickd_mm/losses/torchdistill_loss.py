"""The losses of the library torchdistill between one student and one teacher tensor."""

from __future__ import annotations

import inspect
import logging
import warnings
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor, nn

from ..functional.checks import check_floating, shown
from ..functional.precision import work_dtype
from ..registry import MODELS
from .torchdistill_rules import REFUSED, RULES, Rule
from .weight import checked_weight

TAP = 'tap'
TINY = 1e-6  # its square is still a float32


def _registered() -> dict[str, Any]:
    try:
        import torchdistill.losses  # noqa: F401
        from torchdistill.losses.registry import MIDDLE_LEVEL_LOSS_DICT
    except ImportError as error:
        raise ImportError(
            f"TorchdistillLoss needs torchdistill: pip install 'ickd-mm[torchdistill]' ({error})"
        ) from error
    return MIDDLE_LEVEL_LOSS_DICT


def _find(key: str) -> tuple[Any, Rule]:
    losses = _registered()
    if key in REFUSED:
        raise ValueError(f'{key} does not fit a pair: {REFUSED[key]}')
    if key not in RULES or key not in losses:
        known = [name for name in RULES if name in losses]
        likeness = {k: SequenceMatcher(None, str(key).lower(), k.lower()).ratio() for k in known}
        nearest = sorted(known, key=lambda k: -likeness[k])
        raise KeyError(
            f'torchdistill has no loss {key!r} for a pair; nearest: {", ".join(nearest)}'
        )
    return losses[key], RULES[key]


def _taps(names: list[str]) -> dict[str, Any]:
    """Arguments that say where a loss finds its tensors: always at the same place."""
    place = {'io': 'output', 'path': TAP}
    taps: dict[str, Any] = {}
    for name in names:
        if name.endswith('_path'):
            taps[name] = TAP
        elif name.endswith('_io'):
            taps[name] = 'output'
        elif name.endswith('_pairs'):
            taps[name] = {TAP: {'student': place, 'teacher': place}}
    return taps


def _build(key: str, kwargs: dict[str, Any]) -> tuple[nn.Module, Rule]:
    kind, rule = _find(key)
    parameters = inspect.signature(kind).parameters.values()
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    taps = _taps(names)
    free = [name for name in names if name not in taps and name not in rule.fixed]
    for name in kwargs:
        if name not in free:
            why = ' (the labels have the loss of the student itself)' if name in rule.fixed else ''
            takes = ', '.join(free) or 'no arguments of its own'
            raise TypeError(f'{key} takes no {name!r} here{why}; it takes {takes}')
    values = {**rule.defaults, **kwargs}
    for name, default in rule.defaults.items():
        if isinstance(default, dict):
            if not isinstance(values[name], dict):
                raise TypeError(f'{name} of {key} must be a dict, got {values[name]!r}')
            values[name] = {**default, **values[name]}
    if rule.reductions and values.get('reduction', rule.reductions[0]) not in rule.reductions:
        raise ValueError(
            f'reduction of {key} must be one of {rule.reductions}, got {values["reduction"]!r}'
        )
    for name in ('temperature', 'tau'):
        value = values.get(name, 1.0)
        if not isinstance(value, (int, float)) or not 0 < value < float('inf'):
            raise ValueError(f'{name} of {key} must be positive and finite, got {value!r}')
    return kind(**taps, **rule.fixed, **values), rule


def _warn(message: str) -> None:
    """Into the log of the training; a warning where there is no mmengine."""
    try:
        from mmengine.logging import print_log
    except ImportError:
        warnings.warn(message, stacklevel=2)
    else:
        print_log(message, 'current', logging.WARNING)


def _still(x: Tensor, steep: str) -> Tensor | None:
    """Which part of a student's tensor gets no gradient, broadcastable over it; None for none."""
    if steep in ('zero', 'channel'):
        kept = 1 if steep == 'zero' else 2
        silent = (x == 0).flatten(kept).all(-1)
        return silent.reshape(*silent.shape, *[1] * (x.dim() - kept))
    if steep in ('flat', 'uniform'):
        flat = (x == x[:, :1]).all(1, keepdim=True)
        return flat | (x == x[:1]).all() if steep == 'uniform' and len(x) > 1 else flat
    if steep == 'twin':
        flat = x.flatten(1)
        equal = (flat[:, None] == flat[None]).all(-1)
        return (equal.sum(1) > 1).reshape(-1, *[1] * (x.dim() - 1))
    return None


@MODELS.register_module()
class TorchdistillLoss(nn.Module):
    r"""A loss of torchdistill, by its name there.

    .. math:: L = \text{loss\_weight} \cdot \ell_{key}(s, t)

    torchdistill's losses look their tensors up in dicts of module outputs; here they get the
    tensors of a pair. Formulas, papers and arguments are in its documentation
    (``torchdistill.losses.mid_level``, version 1.1.5). It has, among others, AT (``ATLoss``),
    SP (``SPKDLoss``), CC (``CCKDLoss``), RKD, PKT, FT, AB (``AltActTransferLoss``), DIST, KD
    without its factor :math:`\tau^2` (``KDLoss``; prefer :class:`ickd_mm.KLDivergence`) and
    ICKD (``ChSimLoss``; prefer :class:`ickd_mm.ICKDLoss`: ``ChSimLoss`` divides once more by
    the batch size). ``VIDLoss`` goes with ``connector=dict(type='ickd_mm.VIDRegressor')``.
    FT (``FTLoss``, ``KTALoss``) compares the pair's tensors themselves: a pair has no paraphraser
    on the teacher's side.

    Computed in float32 whatever autocast says, in float64 for float64 tensors. Where a loss
    divides by the norm of a row, an image or a channel (PKT, ``AffinityLoss``, FT, ``KTALoss``,
    ``SKDDirectionLoss``), one that is 0 throughout counts as :math:`10^{-6}` and gets no gradient.
    Nor does what makes torchdistill's gradient grow beyond all bounds while the value stays: an
    image or row that is 0 (SP), a channel of an image that is 0 (``ChSimLoss``), equal logits in
    a row (DIST, ``LogitStdKDLoss``: a head initialised with zeros), equal rows throughout (DIST),
    rows that equal another (RKD), a student that is the teacher (``SKDDirectionLoss``; where one
    row's relations alone are the teacher's, that step has no gradient from it).

    What compares the images of a batch (SP, PKT, CC) is 0 for one image alone, and says so once.

    Args:
        key: name of the loss.
        rows: how a map (N, C, H, W) becomes rows (N, C) for losses between vectors: 'images'
            takes the mean over H and W, 'pixels' makes every pixel a row; None leaves maps. What
            compares rows with each other needs the square of their number, RKD C times that:
            'pixels' is for small maps only then.
        unit: whether every row, or every pixel's channels of a map, is divided by its Euclidean
            norm first. ``CCKDLoss`` wants that: its kernel :math:`e^{-2\gamma} \sum_p
            \frac{(2\gamma)^p}{p!} (a \cdot b)^p` is a Gaussian of :math:`a - b` between unit
            vectors only. What is 0 throughout stays 0, without gradient.
        loss_weight: factor on the loss, finite and at least 0.
        kwargs: the loss's own arguments, without those that name modules. Of a dict
            (``kernel_config``) what is not given keeps its default.

    Raises:
        ImportError: if torchdistill is not installed.
        KeyError: for a name that torchdistill does not have, with those that it has.
        TypeError: for an argument that the loss does not take, with those that it takes.
        ValueError: for a loss that needs more than one tensor of each model, with the reason;
            for a wrong ``rows``, ``reduction``, ``temperature``, ``tau`` or ``loss_weight``; for
            ``rows`` with a loss between maps; for ``unit`` with ``VIDLoss``.
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
        if rows not in (None, 'images', 'pixels'):
            raise ValueError(f"rows must be 'images', 'pixels' or None, got {rows!r}")
        if unit and key == 'VIDLoss':
            raise ValueError('VIDLoss compares values with their variance: it takes no unit rows')
        self.key, self.rows, self.unit, self.kwargs = key, rows, unit, kwargs
        self.loss_weight = checked_weight(loss_weight)
        self.loss, self.rule = _build(key, kwargs)
        if rows is not None and 2 not in self.rule.dims:
            raise ValueError(f'{key} compares maps: it takes no rows={rows!r}, leave it out')
        self._alone = False

    def forward(self, student: Tensor | tuple[Tensor, Tensor], teacher: Tensor) -> Tensor:
        """Return the weighted loss, a scalar.

        Args:
            student: rows (N, C) or a map (N, C, H, W); for ``VIDLoss`` mean and variance.
            teacher: the same; no gradient flows into it. Which sizes must agree depends on
                the loss.

        Raises:
            TypeError: for anything but a floating-point tensor.
            ValueError: for shapes that the loss does not take, with both of them.
        """
        ours = student if isinstance(student, tuple) else (student,)
        if (len(ours) == 2) != (self.key == 'VIDLoss'):
            raise ValueError(
                f'{self.key} got {len(ours)} tensor(s) of the student; VIDLoss alone takes two, '
                "mean and variance, from connector=dict(type='ickd_mm.VIDRegressor')"
            )
        check_floating(student=ours[0], teacher=teacher)
        with torch.autocast(teacher.device.type, enabled=False):
            dtype = work_dtype(ours[0], teacher)
            ours = tuple(self._prepared(x, dtype) for x in ours)
            theirs = self._prepared(teacher.detach(), dtype)
            self._check(ours[0], theirs)
            still = _still(ours[0], self.rule.steep)
            if still is not None:
                ours = (torch.where(still, ours[0].detach(), ours[0]),)
            if self.rule.steep == 'match':  # one of its own: the hook below sees no other gradient
                ours = (ours[0].view_as(ours[0]),)
            value: Any = ours if self.key == 'VIDLoss' else ours[0]
            if self.key == 'HierarchicalContextLoss':  # it unpacks what its own module returns
                value = (value, None)
            loss = self.loss({TAP: {'output': value}}, {TAP: {'output': theirs}}, targets=None)
            if self.rule.steep == 'match' and ours[0].requires_grad:
                finite = loss.detach().isfinite()  # then NaN is of the root of a difference of 0
                ours[0].register_hook(lambda grad: grad.masked_fill(grad.isnan() & finite, 0.0))
            return self.loss_weight * loss

    def _prepared(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        x = x.to(dtype)
        if x.dim() == 4 and self.rows == 'images':
            x = x.mean((2, 3))
        elif x.dim() == 4 and self.rows == 'pixels':
            x = x.permute(0, 2, 3, 1).flatten(0, 2)
        if x.dim() not in self.rule.dims or x.numel() == 0:
            return x  # refused by the check
        if self.unit:
            silent = (x == 0).all(1, keepdim=True)
            x = nn.functional.normalize(x.masked_fill(silent, 1.0), dim=1).masked_fill(silent, 0.0)
        if self.rule.norms:
            kept = len(self.rule.norms)
            silent = (x == 0).flatten(kept).all(-1)
            x = x.masked_fill(silent.reshape(*silent.shape, *[1] * (x.dim() - kept)), TINY)
        return x

    def _check(self, student: Tensor, teacher: Tensor) -> None:
        tensors = {'student': student, 'teacher': teacher}
        for x in tensors.values():
            fits = x.dim() in self.rule.dims
            if not fits or len(x) < self.rule.least or x.numel() == 0:
                form = ' or '.join({2: '(N, C)', 4: '(N, C, H, W)'}[n] for n in self.rule.dims)
                remedy = '; it compares images of a batch: more of them, and drop_last=True' * fits
                if not fits and x.dim() == 4:
                    remedy = "; rows='images' or 'pixels' makes rows of a map"
                    if self.rule.relates:
                        remedy += " (it compares all with all: 'pixels' is for small maps only)"
                raise ValueError(
                    f'{self.key} takes {form} with N at least {self.rule.least}, '
                    f'got {shown(tensors)}{remedy}'
                )
        axes = [axis for axis in 'NCHW'[: student.dim()] if axis in self.rule.equal]
        if student.dim() != teacher.dim() or any(
            student.shape['NCHW'.index(axis)] != teacher.shape['NCHW'.index(axis)] for axis in axes
        ):
            raise ValueError(
                f'{self.key}: {", ".join(axes)} must agree, got {shown(tensors)}; a connector '
                'mends C, taps with the same stride mend H and W'
            )
        if len(student) == 1 and self.rule.relates and not self._alone:
            self._alone = True
            _warn(
                f'{self.key} compares the images of a batch with each other: of one image '
                'alone it is 0. Raise the batch size, or take another loss'
            )

    def extra_repr(self) -> str:
        """Show the settings in ``print(module)``."""
        own = {'rows': self.rows, 'unit': self.unit, **self.kwargs, 'loss_weight': self.loss_weight}
        return ', '.join([self.key, *(f'{name}={value}' for name, value in own.items())])
