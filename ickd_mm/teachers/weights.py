"""Restore a teacher, strictly."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from ..spelling import some
from .state_dicts import find_state_dict, renamed


def _counted(names: list[str]) -> str:
    return f'{len(names)} ({some(names)})' if names else '0'


def _load(model: nn.Module, state: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Load what fits; return the keys that are missing, unexpected and of another shape.

    The model's own hooks run first (they rename old parts of Swin and resize a vision
    transformer's positions), so what they handle is not an error.
    """
    found: list[Any] = []
    handle = model.register_load_state_dict_post_hook(lambda _, keys: found.append(keys))
    try:
        model.load_state_dict(state, strict=False)
        shapes = []
    except RuntimeError as error:
        shapes = re.findall(r'size mismatch for ([^\s:]+):', str(error))
        if not found or not shapes:
            raise
    finally:
        handle.remove()
    missing = [key for key in found[-1].missing_keys if not key.endswith('num_batches_tracked')]
    return missing, list(found[-1].unexpected_keys), shapes


def restore(model: nn.Module, ckpt: str, needed: Collection[str] | None = None) -> str:
    """Load the weights of ``model`` that are ``needed`` from a checkpoint that fits it there.

    A model that the checkpoint does not fit is left as it was.

    Args:
        model: the model.
        ckpt: a path or URL that mmengine's ``CheckpointLoader`` knows.
        needed: names of parameters and buffers; all by default. What the file holds beside them
            is loaded where it fits and dropped where it does not.

    Returns:
        What is worth saying about how the file was read, to follow its name; mostly ''.

    Raises:
        ValueError: if the file holds no state dict, or if of what is needed keys are missing or
            of another shape, or the file has keys that its parts do not know: how many, and the
            first few.
    """
    loaded = CheckpointLoader.load_checkpoint(ckpt, map_location='cpu')
    state = find_state_dict(loaded, ckpt)
    try:
        weights, taken, put = renamed(state, model.state_dict())
    except ValueError as error:
        raise ValueError(f'teacher_ckpt {ckpt!r}: {error}') from error
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    missing, unexpected, shapes = _load(model, weights)
    parts = {name.removeprefix(put).split('.')[0] for name in needed or model.state_dict()}

    def matters(key: str) -> bool:
        return needed is None or key in needed

    def belongs(key: str) -> bool:
        """Whether a key that the model does not know is in a part that is needed.

        A single number is a counter: of steps, or of averaged models.
        """
        if getattr(weights[key], 'ndim', 0) == 0:
            return False
        part, dot, _ = key.removeprefix(put).partition('.')
        return part in parts or not (dot or part == 'mask_token')

    lost = list(filter(matters, missing))
    strange, misshapen = list(filter(belongs, unexpected)), list(filter(matters, shapes))
    how = f', read without the prefix {taken!r}' if taken else ''
    how += f', read as the {put[:-1]} alone' if put else ''
    if lost or strange or misshapen:
        for key, tensor in model.state_dict().items():
            tensor.copy_(before[key])
        raise ValueError(
            f'teacher_ckpt {ckpt!r} does not fit the teacher ({type(model).__name__}, '
            f'{len(before)} keys){how}: missing {_counted(lost)}, unexpected {_counted(strange)}, '
            f'of another shape {_counted(misshapen)}'
        )
    dropped = [key for key in (*unexpected, *shapes) if not key.endswith('num_batches_tracked')]
    return how + (f'; not used: {_counted(dropped)}' if dropped else '')
