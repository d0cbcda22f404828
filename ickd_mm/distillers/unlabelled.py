"""A student that is trained without labels: by its pairs alone, up to its last tap."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mmengine.model import BaseModel

from ..features.reached import reached_parameters
from ..features.taps import Tap
from ..spelling import some
from .pairs import Pair


def _highest(name: str, trained: Collection[str]) -> str:
    """Return the shortest beginning of a parameter's path below which nothing is trained."""
    parts = name.split('.')
    for depth in range(1, len(parts)):
        path = '.'.join(parts[:depth])
        if not any(other.startswith(f'{path}.') for other in trained):
            return path
    return name


def train_what_taps_need(
    student: BaseModel, pairs: Sequence[Pair], size: tuple[int, int]
) -> tuple[frozenset[Tap], str]:
    """Freeze the parameters of a student that no tap depends on.

    What is frozen gets no gradient, so DDP does not wait for it and needs no
    ``find_unused_parameters``, and no optimizer changes it (weight decay neither). Buffers of the
    modules that run change as they do in any training.

    Args:
        student: the student; its parameters are changed in place.
        pairs: what it is trained by.
        size: height and width of its images.

    Returns:
        The taps whose feature the student changes in place before its last tap, and a line for
        the log.

    Raises:
        ValueError: if every pair's loss has weight 0.
    """
    if not any(getattr(pair.loss, 'loss_weight', 1) for pair in pairs):
        names = ', '.join(pair.name for pair in pairs)
        raise ValueError(
            f'supervised=False trains on the pairs alone, and loss_weight is 0 in every one of '
            f'them ({names}): nothing would be trained; give one a weight above 0'
        )
    reached, changed = reached_parameters(student, [pair.student for pair in pairs], size)
    learning = {name: p for name, p in student.named_parameters() if p.requires_grad}
    idle = learning.keys() - reached
    for name in idle:
        learning[name].requires_grad_(False)
    trained = sum(learning[name].numel() for name in reached)
    total = sum(parameter.numel() for parameter in learning.values())
    rest = dict.fromkeys(_highest(name, reached) for name in learning if name in idle)
    said = f'Trains without labels, {trained:,} of {total:,} parameters of the student'
    said += ', which runs up to its last tap'
    return changed, f'{said}; not trained: {some(rest)}' if rest else said
