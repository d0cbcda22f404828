"""The pairs' part of a training step: run the student, take its features, match them.

It stays out of the graphs of ``torch.compile``, so that compiling a distiller costs what compiling
its student costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..features.taps import Capture, Tap
from .pairs import Pair


@torch.compiler.disable
def run_student(
    student: nn.Module,
    pairs: list[Pair],
    copies: frozenset[Tap],
    supervised: bool,
    *args: Any,
    **kwargs: Any,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Run a student as it trains and take the features that the pairs ask for.

    Args:
        student: the student.
        pairs: the pairs.
        copies: taps whose feature the student changes in place afterwards.
        supervised: whether its own losses count; without them it stops at its last tap.
        args: handed to the student, and so are ``kwargs``.

    Returns:
        The student's losses, and the features by the paths of their taps.

    Raises:
        RuntimeError: if a feature that is not among the ``copies`` was changed in place.
    """
    taps = [pair.student for pair in pairs]
    losses: Any = {}
    with Capture(student, taps, 'student', not supervised, copies) as seen:
        losses = student(*args, mode='loss' if supervised else 'tensor', **kwargs)
    seen.check_unchanged()
    return (losses if supervised else {}), {tap.path: seen[tap] for tap in taps}


@torch.compiler.disable
def match_pairs(
    pairs: list[Pair],
    factors: Mapping[str, float],
    features: Mapping[str, Tensor],
    wanted: Mapping[Tap, Tensor],
) -> dict[str, Tensor]:
    """Return every pair's loss by its name.

    Args:
        pairs: the pairs.
        factors: name -> factor on the pair's loss; at 0 the teacher's feature is not needed.
        features: the student's, by the paths of their taps.
        wanted: the teacher's.

    Raises:
        RuntimeError: if a student's feature carries no gradient.
        ValueError: if a loss refuses its features, naming the pair and both shapes.
    """
    matched: dict[str, Tensor] = {}
    for pair in pairs:
        factor, feature = factors[pair.name], features[pair.student.path]
        if not factor:
            matched[pair.name] = pair.zero_loss(feature)
            continue
        if torch.is_grad_enabled() and not feature.requires_grad:
            raise RuntimeError(
                f'pairs.{pair.name}: student tap {pair.student.path!r} carries no gradient; '
                'it is frozen, or inside a reentrant activation checkpoint'
            )
        matched[pair.name] = factor * pair(feature, wanted[pair.teacher])
    return matched
