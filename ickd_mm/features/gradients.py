"""How hard each loss pulls at the features that pairs match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..randomness import preserved_randomness
from .unchanged import unchanged

TASK = 'task'
Norms = dict[str, dict[str, float]]


def tap_gradients(
    model: Any,
    inputs: Tensor,
    data_samples: Any = None,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Norms:
    r"""Measure the gradients that reach the pairs' taps in one training step on a batch.

    .. math:: \lVert \partial L / \partial F \rVert_2

    for each loss L, the weights included, over the student's whole feature F, as its module gives
    it and before the connector. Only the way from the losses down to the first tap is gone back.
    The model and the random numbers stay as they are; parameters get no gradient.

    Args:
        model: a :class:`~ickd_mm.distillers.FeatureDistiller`, in training mode.
        inputs: images (N, C, H, W) as its preprocessor makes them.
        data_samples: labels, likewise.
        scale: applied to each loss, as a gradient scaler does; ratios do not depend on it.

    Returns:
        pair -> loss -> norm, where a loss is 'task', the sum of the student's own, or a pair's
        name, for the losses that reach the pair's tap. A pair is left out whose feature the student
        changes in place afterwards: what is matched there is a copy, which the task does not see.

    Raises:
        RuntimeError: where autograd cannot go back, as through reentrant activation checkpoints.
    """
    with preserved_randomness(), unchanged(model), torch.enable_grad():
        own, matched, taken = model.train_forward(inputs, data_samples)
        losses = {TASK: model.parse_losses(own)[0]}
        losses |= {name: loss for name, loss in matched.items() if model.pair_factors[name]}
        features = {pair.name: taken[pair.student.path] for pair in model.pairs}
        found: Norms = {name: {} for name in features}
        for loss, value in losses.items():
            if not value.requires_grad:
                continue
            gradients = torch.autograd.grad(
                scale(value), list(features.values()), retain_graph=True, allow_unused=True
            )
            for name, gradient in zip(features, gradients):
                if gradient is not None:
                    found[name][loss] = torch.linalg.vector_norm(gradient.float()).item()
        copied = {pair.name for pair in model.pairs if pair.student in model.student_copies}
        return {name: norms for name, norms in found.items() if name not in copied}
