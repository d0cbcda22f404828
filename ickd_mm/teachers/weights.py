"""Restore a teacher, strictly."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn


def _some(names: list[str]) -> str:
    shown = names[:3] + ['...'] * (len(names) > 3)
    return f'{len(names)} ({", ".join(shown)})' if names else '0'


def _without_module(state: dict[str, Any]) -> dict[str, Any]:
    """Take DDP's ``module.`` off the keys, and off those of the versions beside them."""

    def bare(keyed: dict[str, Any]) -> OrderedDict:
        return OrderedDict((re.sub(r'^module(\.|$)', '', k), v) for k, v in keyed.items())

    renamed: Any = bare(state)
    if hasattr(state, '_metadata'):
        renamed._metadata = bare(state._metadata)
    return renamed


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


def restore(model: nn.Module, ckpt: str) -> None:
    """Load every weight of ``model`` from a checkpoint that fits it exactly.

    ``ckpt`` is a path or URL that mmengine's ``CheckpointLoader`` knows. A model that the
    checkpoint does not fit is left as it was.

    Raises:
        ValueError: if the file holds no state dict, or keys are missing, unexpected or of
            another shape: how many, and the first few.
    """
    loaded = CheckpointLoader.load_checkpoint(ckpt, map_location='cpu')
    state = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f'teacher_ckpt {ckpt!r} holds no state dict')
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    missing, unexpected, shapes = _load(model, _without_module(state))
    if missing or unexpected or shapes:
        for key, tensor in model.state_dict().items():
            tensor.copy_(before[key])
        raise ValueError(
            f'teacher_ckpt {ckpt!r} does not fit the teacher ({type(model).__name__}, '
            f'{len(model.state_dict())} keys): missing {_some(missing)}, unexpected '
            f'{_some(unexpected)}, of another shape {_some(shapes)}'
        )
