"""Try a pair on random features before training, to see whether it runs and can teach."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from ..connectors import ConvConnector
from ..features.alternatives import tap_with_gradient, tap_with_map
from ..features.taps import Capture, Tap
from ..randomness import preserved_randomness
from .pairs import Pair, PairConfig, shape_text


def try_pair(
    pair: Pair, student: Sequence[int], teacher: Sequence[int], remedy: str
) -> tuple[Tensor, Any]:
    """Run a copy of a pair once on random features of these shapes.

    Returns:
        The loss, and what came out of the connector, a leaf of the loss's graph.

    Raises:
        ValueError: naming the pair, both taps and shapes, the reason and the ``remedy``, if
            connector or loss refuses them or the loss is not a scalar.
    """
    try:
        with preserved_randomness():
            pair = copy.deepcopy(pair)
            modules = [module for module in (pair.connector, pair.loss) if module is not None]
            places = [p.device for module in modules for p in module.parameters()] or [
                torch.device('cpu')
            ]
            feature: Any = torch.randn(student, device=places[0])
            with torch.no_grad():
                feature = pair.connector(feature) if pair.connector is not None else feature
            feature = tree_map(_as_leaf, feature)
            with torch.enable_grad():
                loss: Any = pair.loss(feature, torch.randn(teacher, device=places[0]))
    except Exception as error:
        raise ValueError(
            f'pairs.{pair.name}: student {pair.student.path!r} {tuple(student)} and teacher '
            f'{pair.teacher.path!r} {tuple(teacher)} do not go together: {error}; {remedy}'
        ) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f'pairs.{pair.name}.loss must give one number, it gives {got}')
    return loss, feature


def _as_leaf(x: Any) -> Any:
    learns = isinstance(x, Tensor) and x.is_floating_point()
    return x.detach().requires_grad_() if learns else x


def _is_constant(loss: Tensor, feature: Any) -> bool:
    """Tell whether a loss has no gradient at all."""
    if not loss.requires_grad:
        return True
    leaves = [x for x in tree_flatten(feature)[0] if getattr(x, 'requires_grad', False)]
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return not any(gradient is not None and gradient.any() for gradient in found)


def validate_pair(
    pair: Pair,
    student: Tensor,
    teacher: Tensor,
    size: tuple[int, int],
    source: str = 'model.input_size sets another size',
) -> None:
    """Try a pair on random features of the shapes of these two.

    ``size``, height and width of the images that give these shapes, and ``source``, what says so,
    are for messages.

    Raises:
        ValueError: see :func:`try_pair`; also if the loss is the same whatever the student gives.
    """
    at = f'these are the shapes for images of {size[0]}x{size[1]}, {source}'
    shapes = tuple(student.shape), tuple(teacher.shape)
    loss, feature = try_pair(pair, *shapes, at)
    if getattr(pair.loss, 'loss_weight', 1) == 0 or not _is_constant(loss, feature):
        return
    # Before init_weights, or between two images alone, a loss that teaches may have no gradient.
    ready = copy.deepcopy(pair)
    with preserved_randomness():
        ready.init_weights()
    ours, theirs = ((2 * shape[0], *shape[1:]) for shape in shapes)
    loss, feature = try_pair(ready, ours, theirs, at)
    if _is_constant(loss, feature):
        raise ValueError(
            f'pairs.{pair.name}.loss: {pair.loss} is {loss.item():.3g} whatever the student gives, '
            f'here {_reason(pair.loss, feature)}'
        )


def validate_single_image(
    pair: Pair, student: Sequence[int], teacher: Sequence[int], where: str
) -> None:
    """Try a pair on features of one image; the shapes are those for two.

    Raises:
        ValueError: if connector or loss refuses them, saying ``where`` such a batch comes from.
    """
    if isinstance(pair.connector, ConvConnector):
        where += f", or pairs.{pair.name}.connector.norm_cfg=dict(type='GN', num_groups=1)"
    ours, theirs = ((shape[0] // 2, *shape[1:]) for shape in (student, teacher))
    try_pair(pair, ours, theirs, where)


def _reason(loss: nn.Module, feature: Any) -> str:
    """Say why a loss cannot tell one feature from another, as far as shapes show it."""
    shape = tuple(tree_flatten(feature)[0][0].shape)
    text = shape_text(shape[1:])
    if shape[1:2] == (1,):
        return (
            f'{text}: over one channel a softmax or a normalised row is constant; for a head with '
            "one sigmoid channel write loss=dict(type='ickd_mm.KLDivergence', use_sigmoid=True), "
            "for a feature loss=dict(type='ickd_mm.MSELoss')"
        )
    if len(shape) == 4 and shape[2:] in ((1, 1), getattr(loss, 'grid', None)):
        return (
            f'{text}: over one position a softmax, or the distance to the mean, is constant; tap a '
            'larger map, or set a coarser loss.grid'
        )
    return f'{text}: it has no gradient; does it detach or round what the student gives?'


def check_gradient(
    student: BaseModel, config: PairConfig, features: Capture, size: tuple[int, int]
) -> None:
    """Make sure that a pair's loss can reach the student.

    Raises:
        ValueError: if the feature carries no gradient, with the next tap that does.
    """
    if features.has_gradient(config.student):
        return
    other = tap_with_gradient(student, config.student, size)
    remedy = f'tap {other!r}, or train what is before it' if other else 'tap a part that is trained'
    raise ValueError(
        f'pairs.{config.name}.student={config.student.path!r} carries no gradient: it is in frozen '
        f'stages, or inside a reentrant activation checkpoint (with_cp); {remedy}'
    )


def check_checkpointing(pairs: dict, modules: Any) -> None:
    """Make sure that no student tap is inside what ``activation_checkpointing`` names.

    mmengine checkpoints there without recording what happens inside.

    Raises:
        ValueError: naming the pair, its tap, and what to tap.
    """
    for module in [modules] if isinstance(modules, str) else modules or ():
        for config in PairConfig.read_all(pairs):
            if config.student.module.startswith(f'{module}.'):
                raise ValueError(
                    f'pairs.{config.name}.student={config.student.path!r} carries no gradient: '
                    f"it is inside activation_checkpointing='{module}'; tap {module!r}"
                )


def build_pair(
    config: PairConfig, features: tuple[Tensor, Tensor], models: tuple, size: tuple[int, int]
) -> Pair:
    """Build a pair for the features of student and teacher, and try it.

    Args:
        config: the pair.
        features: of the student and of the teacher.
        models: the student and the teacher.
        size: height and width of the images that give these features.

    Raises:
        ValueError: see :meth:`PairConfig.build` and :func:`validate_pair`; where a feature is not
            a map, with a tap that gives one.
    """
    try:
        pair = config.build(*features)
        validate_pair(pair, *features, size)
    except ValueError as error:
        hints = []
        for role, feature, model in zip(('student', 'teacher'), features, models):
            tap: Tap = getattr(config, role)
            if feature.dim() != 4:
                other = tap_with_map(model, tap, feature, role, size)
                hints += [f'; pairs.{config.name}.{role}={other!r} gives a map'] if other else []
        raise ValueError(f'{error}{"".join(hints)}') from error
    return pair
