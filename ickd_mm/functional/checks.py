"""What losses between two tensors object to, in one wording."""

from __future__ import annotations

import math

from torch import Tensor


def shown(tensors: dict[str, Tensor]) -> str:
    """Return names, shapes and dtypes for a message."""
    return ' and '.join([f'{name} {tuple(x.shape)} {x.dtype}' for name, x in tensors.items()])


def check_floating(**tensors: Tensor) -> None:
    """Raise a TypeError that names the argument for what is not a floating-point tensor."""
    for name, x in tensors.items():
        if not isinstance(x, Tensor):
            raise TypeError(f'{name} must be a tensor (N, C, H, W), got {type(x).__name__}')
    for name, x in tensors.items():
        if not x.is_floating_point():
            raise TypeError(f'{name} must hold floating-point numbers, got {shown(tensors)}')


def check_same_shape(student: Tensor, teacher: Tensor, dims: tuple[int, ...], form: str) -> None:
    """Object to tensors that cannot be compared number by number or have not ``dims`` dimensions.

    ``form`` says in letters what shapes those are. Raises:
        TypeError: for what is not a floating-point tensor.
        ValueError: if dimensions or sizes differ, or a tensor is empty.
    """
    tensors = {'student': student, 'teacher': teacher}
    check_floating(**tensors)
    for name, x in tensors.items():
        if x.dim() not in dims or x.numel() == 0:
            raise ValueError(f'{name} must be a non-empty {form}, got {shown(tensors)}')
    ours, theirs = tuple(student.shape), tuple(teacher.shape)
    if ours[:2] != theirs[:2] or len(ours) != len(theirs):
        raise ValueError(
            f'N and C must agree, got {shown(tensors)}; use a connector to match the channels of a '
            'feature map, logits need the same classes on both sides'
        )
    if ours != theirs:
        raise ValueError(
            f'H and W must agree, got {shown(tensors)}; tap modules with the same stride on both '
            'sides, or give the pair a connector that resizes the student'
        )


def check_temperature(tau: float) -> float:
    """Return a softmax temperature; raise a ValueError if it is not positive and finite."""
    if not 0 < tau < math.inf:
        raise ValueError(f'tau must be a finite number above 0, got {tau!r}')
    return tau


def check_maps(grid: tuple[int, int], **maps: Tensor) -> None:
    """Object to maps that the grid cannot cut; every message shows all of them."""
    check_floating(**maps)
    for name, x in maps.items():
        if x.dim() != 4 or x.numel() == 0:
            raise ValueError(f'{name} must be a non-empty (N, C, H, W) map, got {shown(maps)}')
        if grid[0] > x.shape[2] or grid[1] > x.shape[3]:
            raise ValueError(f'grid {grid} must not be finer than the map of {name}: {shown(maps)}')
    if len({x.shape[:2] for x in maps.values()}) > 1:
        raise ValueError(f'N and C must agree, got {shown(maps)}; use a connector to match C')
