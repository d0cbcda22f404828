"""Turn a run's checkpoint into a student checkpoint that any torch loads, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from torch import Tensor

EXTRA = 'ickd_mm'
OWN_PARTS = ('connectors.', 'losses.')
_BUFFER_KEYS = {'log_history', 'count_history', 'max_length'}


def to_plain(value: Any, path: str, dropped: list[str]) -> Any:
    """Copy nested containers, leaving only what ``weights_only`` loading takes.

    Dict-likes become dicts, numpy values Python numbers and lists, log histories dicts of
    two tensors and a length. Anything else is left out and its path added to ``dropped``.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes, Tensor)):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, HistoryBuffer):
        logs, counts = (torch.from_numpy(np.array(part)) for part in value.data)
        return dict(log_history=logs, count_history=counts, max_length=value.max_length)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        plain = {k: to_plain(v, f'{path}.{k}', dropped) for k, v in value.items()}
        return {k: v for k, v in plain.items() if f'{path}.{k}' not in dropped}
    if isinstance(value, (list, tuple)):
        items = [to_plain(v, f'{path}[{i}]', dropped) for i, v in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    dropped.append(path)
    return None


def pack(checkpoint: dict[str, Any], distiller: bool = True) -> list[str]:
    """Make a runner's checkpoint a student checkpoint, in place.

    ``state_dict`` keeps the student alone; connectors and losses with weights move to
    ``checkpoint['ickd_mm']``; everything that is not a tensor becomes a plain value. A model that
    is not a ``distiller`` keeps every weight, whatever its parts are called.

    Returns:
        Paths of what had to be left out (nothing that resuming needs, normally none).
    """
    dropped: list[str] = []
    weights = checkpoint['state_dict']
    keys = [key for key in weights if distiller and key.startswith(OWN_PARTS)]
    own = {key: weights.pop(key) for key in keys}
    for key in set(checkpoint) - {'state_dict', 'ema_state_dict'}:
        checkpoint[key] = to_plain(checkpoint[key], key, dropped)
    checkpoint[EXTRA] = own
    return dropped


def unpack(checkpoint: dict[str, Any], distiller: bool = True) -> None:
    """Undo :func:`pack` in place, as far as a resuming runner needs it.

    Checkpoints that were never packed stay as they are; a plain student gets no connectors.
    """
    own = checkpoint.pop(EXTRA, {})
    if distiller:
        checkpoint.get('state_dict', {}).update(own)
    scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
    for key, value in scalars.items():
        if isinstance(value, dict) and value.keys() == _BUFFER_KEYS:
            logs, counts = (value[k].cpu().numpy() for k in ('log_history', 'count_history'))
            scalars[key] = HistoryBuffer(logs, counts, value['max_length'])
