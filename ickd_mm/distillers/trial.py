"""Try a pair on random features before training, to see whether it runs and can teach."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from ..connectors import ConvConnector
from ..features.alternatives import tap_with_gradient, tap_with_map
from ..features.dry_run import IMAGES
from ..features.taps import Capture, Tap
from ..randomness import preserved_randomness
from .pairs import Pair, PairConfig, shape_text


def try_pair(
    pair: Pair,
    shapes: Sequence[Sequence[int]],
    remedy: str,
    images: int = IMAGES,
    scale: float = 1.0,
) -> tuple[Tensor, Any]:
    """Run a copy of a pair once on random features.

    Args:
        pair: the pair.
        shapes: of the features of student and teacher.
        remedy: what to do if it does not run, for the message.
        images: how many there are, whatever the shapes say.
        scale: standard deviation of the features.

    Returns:
        The loss, and what came out of the connector, a leaf of the loss's graph.

    Raises:
        ValueError: naming the pair, both taps and shapes, the reason and the ``remedy``, if
            connector or loss refuses them or the loss is not a scalar.
    """
    student, teacher = ((images, *shape[1:]) for shape in shapes)
    try:
        with preserved_randomness():
            pair = copy.deepcopy(pair)
            modules = [module for module in (pair.connector, pair.loss) if module is not None]
            places = [p.device for module in modules for p in module.parameters()]
            device = places[0] if places else torch.device('cpu')
            feature: Any = scale * torch.randn(student, device=device)
            with torch.no_grad():
                feature = pair.connector(feature) if pair.connector is not None else feature
            feature = tree_map(_as_leaf, feature)
            with torch.enable_grad():
                loss: Any = pair.loss(feature, scale * torch.randn(teacher, device=device))
    except Exception as error:
        raise ValueError(
            f'pairs.{pair.name}: student {pair.student.path!r} {student} and teacher '
            f'{pair.teacher.path!r} {teacher} do not go together: {error}; {remedy}'
        ) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f'pairs.{pair.name}.loss must give one number, it gives {got}')
    return loss, feature


def try_one_image(pair: Pair, shapes: Sequence[Sequence[int]], remedy: str) -> None:
    """Run a copy of a pair on one image as :func:`try_pair` does, and name a norm that can."""
    norm = f", or pairs.{pair.name}.connector.norm_cfg=dict(type='GN', num_groups=1)"
    remedy += norm * isinstance(pair.connector, ConvConnector)
    try_pair(pair, shapes, remedy, images=1)


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
    shapes: Sequence[Sequence[int]],
    size: tuple[int, int],
    source: str = 'model.input_size sets another size',
) -> None:
    """Try a pair on random features of the shapes of student and teacher.

    ``size``, height and width of the images that give these shapes, and ``source``, what says so,
    are for messages.

    Raises:
        ValueError: see :func:`try_pair`; also if the loss is the same whatever the student gives.
    """
    at = f'these are the shapes for images of {size[0]}x{size[1]}, {source}'
    loss, feature = try_pair(pair, shapes, at)
    if getattr(pair.loss, 'loss_weight', 1) == 0 or not _is_constant(loss, feature):
        return
    ready = copy.deepcopy(pair)
    with preserved_randomness():
        ready.init_weights()
    # A loss that teaches may be constant before init_weights, between two images, or past a margin.
    for scale in (1.0, 0.01, 100.0):
        loss, feature = try_pair(ready, shapes, at, 2 * IMAGES, scale)
        if not _is_constant(loss, feature):
            return
    raise ValueError(
        f'pairs.{pair.name}.loss: {pair.loss} is {loss.item():.3g} whatever the student gives, '
        f'here {_reason(pair.loss, feature)}'
    )


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


def check_checkpointing(pair: Pair, checkpointed: Any) -> None:
    """Make sure that a student tap is not inside mmengine's ``activation_checkpointing``.

    What happens inside is not recorded.

    Raises:
        ValueError: naming the pair, its tap, and what to tap.
    """
    for module in [checkpointed] if isinstance(checkpointed, str) else checkpointed or ():
        if pair.student.module.startswith(f'{module}.'):
            raise ValueError(
                f'pairs.{pair.name}.student={pair.student.path!r} carries no gradient: '
                f"it is inside activation_checkpointing='{module}'; tap {module!r}"
            )


def build_pair(config: PairConfig, ours: Capture, theirs: Capture, size: tuple[int, int]) -> Pair:
    """Build a pair for the features of student and teacher in a dry run, and try it.

    ``size`` is the height and width of the images that give these features.

    Raises:
        ValueError: if the student's feature carries no gradient, with the next tap that does; see
            :meth:`PairConfig.build` and :func:`validate_pair`; where a feature is not a map, with
            a tap that gives one.
    """
    if not ours.has_gradient(config.student):
        other = tap_with_gradient(ours.model, config.student, size)
        remedy = f'tap {other!r}, or train what is before it' if other else 'tap what is trained'
        raise ValueError(
            f'pairs.{config.name}.student={config.student.path!r} carries no gradient: it is in '
            f'frozen stages, or inside a reentrant activation checkpoint (with_cp); {remedy}'
        )
    features = ours[config.student], theirs[config.teacher]
    try:
        pair = config.build(*features)
        if getattr(pair.loss, 'loss_weight', 1) == 0:
            print_log(f'{pair.name} has weight 0: it changes nothing', 'current', 30)
        validate_pair(pair, [feature.shape for feature in features], size)
    except ValueError as error:
        hints = []
        for role, feature, seen in zip(('student', 'teacher'), features, (ours, theirs)):
            tap: Tap = getattr(config, role)
            if feature.dim() != 4:
                other = tap_with_map(seen.model, tap, feature, role, size)
                hints += [f'; pairs.{config.name}.{role}={other!r} gives a map'] if other else []
        raise ValueError(f'{error}{"".join(hints)}') from error
    return pair
