"""What a distiller's training step does beside the student's own forward, in plain Python.

All of it stays out of the graphs of ``torch.compile``, so that compiling a distiller costs what
compiling its student costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..features.taps import Capture, Tap
from .pairs import Pair


@torch.compiler.disable
def watch_student(
    student: nn.Module, pairs: list[Pair], copies: frozenset[Tap], *args: Any, **kwargs: Any
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Run a student in mode 'loss' and take the features that the pairs ask for.

    ``copies`` are taps whose feature the student changes in place afterwards; ``args`` and
    ``kwargs`` are handed to it.

    Returns:
        The student's losses, and the features by the paths of their taps.

    Raises:
        RuntimeError: if a feature that is not among the ``copies`` was changed in place.
    """
    taps = [pair.student for pair in pairs]
    with Capture(student, taps, 'student', copies=copies) as seen:
        losses = student(*args, mode='loss', **kwargs)
    if seen.changed():
        names = ', '.join(tap.path for tap in seen.changed())
        raise RuntimeError(
            f'the student changed {names} in place after it was taken; tap the module that '
            'changes it, or build that one with inplace=False'
        )
    return losses, {tap.path: seen[tap] for tap in taps}


@torch.compiler.disable
def add_pair_losses(
    losses: dict[str, Any],
    pairs: list[Pair],
    factors: Mapping[str, float],
    features: Mapping[str, Tensor],
    wanted: Mapping[Tap, Tensor],
) -> dict[str, Any]:
    """Add every pair's loss, under its name, to the student's ``losses``, and return them.

    Args:
        losses: the student's own.
        pairs: the pairs.
        factors: name -> factor on the pair's loss; at 0 the teacher's feature is not needed.
        features: the student's, by the paths of their taps.
        wanted: the teacher's.

    Raises:
        KeyError: if the student has a loss of a pair's name.
        RuntimeError: if a student's feature carries no gradient.
        ValueError: if a loss refuses its features, naming the pair and both shapes.
    """
    for pair in pairs:
        if pair.name in losses:
            raise KeyError(f'the student has a loss {pair.name!r} itself; rename the pair')
        factor, feature = factors[pair.name], features[pair.student.path]
        if not factor:
            losses[pair.name] = pair.zero_loss(feature)
            continue
        if torch.is_grad_enabled() and not feature.requires_grad:
            raise RuntimeError(
                f'pairs.{pair.name}: student tap {pair.student.path!r} carries no gradient; '
                'it is frozen, or inside a reentrant activation checkpoint'
            )
        loss: Any = _match(pair, feature, wanted[pair.teacher])
        losses[pair.name] = loss if factor == 1 else factor * loss
    return losses


def _match(pair: Pair, student: Tensor, teacher: Tensor) -> Tensor:
    try:
        return pair(student, teacher)
    except ValueError as error:
        raise ValueError(
            f'pairs.{pair.name}: student {pair.student.path!r} {tuple(student.shape)}, teacher '
            f'{pair.teacher.path!r} {tuple(teacher.shape)}: {error}'
        ) from error
