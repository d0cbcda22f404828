"""Find the parameters that a model's features train."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from .dry_run import dry_run
from .taps import Capture, Tap

_HIDING = 'CheckpointFunctionBackward'
"""Node of a reentrant activation checkpoint, which does not show the parameters inside it."""


def _graph(features: Iterable[Tensor]) -> tuple[set[int], bool]:
    """Return the ids of the leaves of the features' graph, and whether something hides others."""
    todo: list[Any] = [feature.grad_fn for feature in features if feature.grad_fn is not None]
    seen, leaves, hides = set(todo), set(), False
    while todo:
        node = todo.pop()
        hides = hides or node.name() == _HIDING
        if hasattr(node, 'variable'):
            leaves.add(id(node.variable))
        following = {parent for parent, _ in node.next_functions if parent is not None} - seen
        seen |= following
        todo += following
    return leaves, hides


def reached_parameters(
    model: nn.Module, taps: list[Tap], size: tuple[int, int]
) -> tuple[set[str], frozenset[Tap]]:
    """Return what a student trains that runs in mode 'tensor' and ends at its last tap.

    A copy of the model runs once, without arithmetic, on images of ``size`` (height, width).
    Where a reentrant activation checkpoint hides parameters, those of every module that ran count.

    Returns:
        Names of the parameters that get a gradient from the taps' features, and the taps whose
        feature the model changes in place before it ends.

    Raises:
        KeyError, TapError, RuntimeError: as :func:`ickd_mm.features.dry_run.dry_run_features`.
    """
    with suppress(Exception):
        model = copy.deepcopy(model)
    capture, ran = Capture(model, taps, 'student', stop=True), set()
    handle = register_module_forward_pre_hook(lambda module, _: ran.add(module))
    try:
        dry_run(model, size, capture, role='student', trains=True, labelled=False)
    finally:
        handle.remove()
    leaves, hides = _graph(capture[tap] for tap in taps)
    if hides:
        leaves |= {id(p) for module in ran for p in module.parameters(recurse=False)}
    names = {name for name, p in model.named_parameters() if id(p) in leaves and p.requires_grad}
    return names, capture.changed()
