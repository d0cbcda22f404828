"""Read checkpoints without running code from them.

torch's own ``weights_only`` reader does the work (before torch 2.6, ours with its own list of
names). Training checkpoints of mmengine hold a few things beyond tensors
(open-mmlab/mmengine#1655); these are allowed by name.
"""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.utils import digit_version

from .restricted import reader_of

try:
    from numpy._core import multiarray
except ImportError:  # numpy < 1.26
    from numpy.core import multiarray  # type: ignore[no-redef]

_STATISTICS = ('min', 'max', 'current', 'mean')


def _history_method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr`` in pickles: gives HistoryBuffer's statistics and nothing else."""
    if owner is HistoryBuffer and name in _STATISTICS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f'asks for attribute {name!r} of {owner!r}')


def _kinds() -> list[type]:
    return [type(np.dtype(kind)) for kind in ('bool', 'int32', 'int64', 'float32', 'float64')]


def _allowed() -> list[Any]:
    return [
        (_history_method, 'builtins.getattr'),
        (multiarray._reconstruct, 'numpy.core.multiarray._reconstruct'),
        (multiarray._reconstruct, 'numpy._core.multiarray._reconstruct'),
        (multiarray.scalar, 'numpy.core.multiarray.scalar'),
        (multiarray.scalar, 'numpy._core.multiarray.scalar'),
        HistoryBuffer,
        np.ndarray,
        np.dtype,
        *_kinds(),
    ]


def _load(path: str, map_location: Any) -> Any:
    """Let torch read what is made of tensors, plain values and the names above."""
    if digit_version(torch.__version__) >= digit_version('2.6'):
        with torch.serialization.safe_globals(_allowed()):
            return torch.load(path, map_location=map_location, weights_only=True)
    pairs = (e if isinstance(e, tuple) else (e, f'{e.__module__}.{e.__name__}') for e in _allowed())
    names = {name: entry for entry, name in pairs}
    reader = reader_of(names, (HistoryBuffer, np.ndarray, np.dtype, *_kinds()))
    return torch.load(path, map_location, pickle_module=reader, weights_only=False)


def _without_code(loaded: Any) -> Any:
    """Drop the text that mmengine's ``resume`` would run as a Python file."""
    if isinstance(loaded, dict) and isinstance(loaded.get('meta'), dict):
        loaded['meta'].pop('config', None)
    return loaded


def read_checkpoint(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Read a checkpoint file; nothing in it is executed, now or when a runner resumes from it.

    Args:
        path: a local file.
        map_location: as for :func:`torch.load`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a whole checkpoint, or asks for anything but tensors, plain
            Python values and mmengine's log history.
    """
    path = os.path.expanduser(os.fspath(path))
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {path!r} does not exist')
    try:
        return _without_code(_load(path, map_location))
    except pickle.UnpicklingError as error:
        reason = str(error).split('\n')[0].replace('Weights only load failed. ', '')
        detail = next((s for s in str(error).split('\n') if 'Unsupported' in s), reason)
        raise ValueError(
            f'checkpoint {path!r} is refused: it holds more than weights and plain values '
            f'({detail.strip()}). Reading it could run code; convert it where you trust it'
        ) from error
    except Exception as error:  # what broken bytes lead to is not for torch to foresee
        reason = f'{type(error).__name__}: {error}'.split('\n')[0]
        raise ValueError(f'{path!r} is not a whole checkpoint: {reason}') from error
