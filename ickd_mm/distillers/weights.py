"""Restore a teacher, strictly."""

from __future__ import annotations

import os
import re

from mmengine.hub import get_config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn


def locate(ckpt: str | os.PathLike | None, origin: str) -> str:
    """Return the path or URL that ``teacher_ckpt`` means.

    Args:
        ckpt: a path, a URL, or 'zoo' for what the teacher's package lists.
        origin: where the teacher's config was read; 'zoo' needs ``package::path``.

    Raises:
        TypeError: if ``ckpt`` is no string or path.
        FileNotFoundError: if the file does not exist.
        ValueError: if 'zoo' is asked for and no weights are listed for the config.
    """
    if not isinstance(ckpt, (str, os.PathLike)) or not os.fspath(ckpt):
        raise TypeError(
            f"teacher_ckpt must be a path, a URL or 'zoo', got {ckpt!r}; "
            'a teacher without weights teaches nothing'
        )
    ckpt = os.fspath(ckpt)
    if ckpt == 'zoo':
        if '::' not in origin:
            raise ValueError(
                "teacher_ckpt='zoo' needs teacher='package::path', "
                f'got {origin or "a model dict"!r}; give a path or URL'
            )
        try:
            return get_config(origin, pretrained=True).model_path
        except (AttributeError, AssertionError, ValueError) as error:
            raise ValueError(f'no weights are listed for {origin!r}; give a path or URL') from error
    if not re.match(r'^\S+://', ckpt) and not os.path.isfile(ckpt):
        raise FileNotFoundError(f'teacher_ckpt {ckpt!r} does not exist (looked in {os.getcwd()})')
    return ckpt


def _some(names: list[str]) -> str:
    return f'{len(names)}' + (
        f' ({", ".join(names[:3])}{", ..." * (len(names) > 3)})' * bool(names)
    )


def restore(model: nn.Module, ckpt: str) -> None:
    """Load every weight of ``model`` from a checkpoint that fits it exactly.

    Args:
        model: the teacher.
        ckpt: a path or URL that mmengine's ``CheckpointLoader`` knows.

    Raises:
        ValueError: if the file holds no state dict, or keys are missing, unexpected or of
            another shape: how many, and the first few.
    """
    loaded = CheckpointLoader.load_checkpoint(ckpt, map_location='cpu')
    state = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f'teacher_ckpt {ckpt!r} holds no state dict')
    state = {re.sub(r'^module\.', '', key): value for key, value in state.items()}
    own = model.state_dict()
    missing = [k for k in own if k not in state and not k.endswith('num_batches_tracked')]
    unexpected = [k for k in state if k not in own]
    shapes = [k for k in own if k in state and own[k].shape != state[k].shape]
    if missing or unexpected or shapes:
        raise ValueError(
            f'teacher_ckpt {ckpt!r} does not fit the teacher ({type(model).__name__}, '
            f'{len(own)} keys): missing {_some(missing)}, unexpected {_some(unexpected)}, '
            f'of another shape {_some(shapes)}'
        )
    model.load_state_dict(state, strict=False)
