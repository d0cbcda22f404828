"""Reduce a training checkpoint to the student's weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from .packing import EXTRA, OWN_PARTS
from .reading import read_checkpoint

META = ('dataset_meta', 'cfg', 'experiment_name', 'seed', 'iter', 'epoch')


def export_student(
    checkpoint: Path, out: Path, half: bool = False, config: bool = False
) -> tuple[int, int]:
    """Write the student's weights from a checkpoint of a distilled or plain run.

    A ``.pth`` file gets ``{'meta', 'state_dict'}``, as mmengine's loaders expect, a
    ``.safetensors`` file the tensors alone. With ``half``, floating-point tensors are stored in
    fp16, in half the space; models load them into whatever type they have. With ``config``, the
    student's config, which the checkpoint holds as text, is written beside ``out``, as ``.py``.

    Returns:
        Number of tensors and of bytes written.

    Raises:
        FileNotFoundError: if the checkpoint does not exist.
        ValueError: if it cannot be read safely, holds no state dict, a value is too large for
            ``half``, ``out`` would overwrite it or has another ending, or it holds no config.
    """
    if out.suffix not in ('.pth', '.safetensors'):
        raise ValueError(f"out must end in '.pth' or '.safetensors', got {str(out)!r}")
    if out.exists() and out.samefile(checkpoint):
        raise ValueError(f'out must be another file than the checkpoint, got {str(out)!r}')
    loaded = read_checkpoint(checkpoint)
    state = loaded.get('state_dict') if isinstance(loaded, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f"{str(checkpoint)!r} has no 'state_dict': it is not a run's checkpoint")
    own = () if EXTRA in loaded else OWN_PARTS  # a packed checkpoint holds the student alone
    weights: dict[str, Tensor] = {
        key: value.contiguous() for key, value in state.items() if not key.startswith(own)
    }
    if half:
        weights = {key: _half(key, value) for key, value in weights.items()}
    meta = {key: loaded['meta'][key] for key in META if key in loaded.get('meta', {})}
    if config and not meta.get('cfg'):
        raise ValueError(
            f"{str(checkpoint)!r} holds no config, 'cfg' in its meta: leave --config out"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    if config:
        out.with_suffix('.py').write_text(meta['cfg'], encoding='utf-8')
    if out.suffix == '.safetensors':
        out.write_bytes(save(weights))  # save_file makes it readable to its owner alone
    else:
        torch.save({'meta': meta, 'state_dict': weights}, out)
    return len(weights), out.stat().st_size


def _half(key: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    if half.isinf().any() and not value.isinf().any():
        largest = value.abs().max().item()
        raise ValueError(
            f'{key} holds {largest:.3g}, but fp16 only reaches 65504: export without --half'
        )
    return half
