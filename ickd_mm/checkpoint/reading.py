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
from safetensors.torch import load_file

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


_NUMBERS = ('bool', 'int32', 'int64', 'float32', 'float64')
_CLASSES = (HistoryBuffer, np.ndarray, np.dtype, *(type(np.dtype(name)) for name in _NUMBERS))
_NAMES = {
    'builtins.getattr': _history_method,
    'numpy.core.multiarray._reconstruct': multiarray._reconstruct,
    'numpy._core.multiarray._reconstruct': multiarray._reconstruct,
    'numpy.core.multiarray.scalar': multiarray.scalar,
    'numpy._core.multiarray.scalar': multiarray.scalar,
    **{f'{kind.__module__}.{kind.__name__}': kind for kind in _CLASSES},
}


def _load(path: str, map_location: Any) -> Any:
    """Let torch read what is made of tensors, plain values and the names above."""
    if path.endswith('.safetensors'):
        return {'meta': {}, 'state_dict': load_file(path, str(map_location or 'cpu'))}
    if digit_version(torch.__version__) >= digit_version('2.6'):
        with torch.serialization.safe_globals([(value, name) for name, value in _NAMES.items()]):
            return torch.load(path, map_location=map_location, weights_only=True)
    reader = reader_of(_NAMES, _CLASSES)
    return torch.load(path, map_location, pickle_module=reader, weights_only=False)


def read_checkpoint(path: str | os.PathLike, map_location: Any = 'cpu') -> Any:
    """Read a checkpoint file; nothing in it is executed, now or when a runner resumes from it.

    Args:
        path: a local file; one that ends in ``.safetensors`` is read as ``{'meta': {},
            'state_dict': …}``.
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
        loaded = _load(path, map_location)
    except pickle.UnpicklingError as error:
        reason = str(error).split('\n')[0].replace('Weights only load failed. ', '')
        detail = next((s for s in str(error).split('\n') if 'Unsupported' in s), reason)
        raise ValueError(
            f'checkpoint {path!r} is refused: it holds more than weights and plain values '
            f'({detail.strip()}). Reading it could run code. If you trust it, load it with '
            'torch.load(..., weights_only=False) and save its state dict alone'
        ) from error
    except Exception as error:  # broken bytes can make torch raise anything
        reason = f'{type(error).__name__}: {error}'.split('\n')[0]
        raise ValueError(f'{path!r} is not a whole checkpoint: {reason}') from error
    if isinstance(loaded, dict) and isinstance(loaded.get('meta'), dict):
        loaded['meta'].pop('config', None)  # mmengine's resume would run this text as Python
    return loaded
