"""A distiller as a run starts it, and with the weights of a run's checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from torch import nn

from ..checkpoint.packing import EXTRA, OWN_PARTS
from ..checkpoint.reading import read_checkpoint
from ..preflight.image_size import fill_input_size
from ..registry import MODELS, is_distiller, type_name
from ..runtime import setup
from ..spelling import some


def start_distiller(cfg: Config) -> tuple[Any, str]:
    """Build the distiller of a whole config, its weights initialised as a run initialises them.

    Random weights are drawn with the config's seed, by default 0. They need not be those of a run
    with that seed: its loop may have drawn numbers before.

    Returns:
        The distiller, and in words what the student starts from.

    Raises:
        TypeError: if the config's model is not a distiller.
        KeyError, ValueError, FileNotFoundError: as training the config would.
    """
    setup()
    if not is_distiller(cfg.get('model')):
        raise TypeError(
            f'this needs a distilled config; its model is {type_name(cfg.get("model"))}'
        )
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    fill_input_size(cfg)
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    seed = (cfg.get('randomness') or {}).get('seed') or 0
    set_random_seed(seed)
    model: Any = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    if cfg.get('load_from'):
        load_student(model, cfg.load_from)
        return model, f'weights of {cfg.load_from}'
    return model, f'random weights, seed {seed}'


def load_student(model: Any, path: str) -> set[str]:
    """Load a student's checkpoint into a distiller.

    A run's checkpoints hold the connectors and losses of its pairs beside the student;
    exported ones, and those of a student that was trained alone, do not.

    Returns:
        Names of the pairs whose connector and loss are as in the file, or need no weights.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not fit the student, or a connector in it does not fit its pair.
    """
    loaded = read_checkpoint(path)
    state = loaded.get('state_dict') if isinstance(loaded, dict) else None
    if not isinstance(state, dict):
        raise ValueError(f"{path!r} has no 'state_dict': it is not a student's checkpoint")
    own = {**loaded.get(EXTRA, {}), **{k: v for k, v in state.items() if k.startswith(OWN_PARTS)}}
    weights = {key: value for key, value in state.items() if not key.startswith(OWN_PARTS)}
    _load(model.student, weights, path, 'the student')
    ready = set()
    for pair in model.pairs:
        parts = {'connectors': pair.connector, 'losses': pair.loss}
        for kind, module in parts.items():
            prefix = f'{kind}.{pair.name}.'
            state = {k.removeprefix(prefix): v for k, v in own.items() if k.startswith(prefix)}
            if state and module is not None:
                _load(module, state, path, f'pairs.{pair.name}.{kind[:-1]}')
        needs = pair.connector is not None and pair.connector.state_dict()
        if not needs or any(key.startswith(f'connectors.{pair.name}.') for key in own):
            ready.add(pair.name)
    return ready


def _load(module: nn.Module, state: dict[str, torch.Tensor], path: str, what: str) -> None:
    try:
        found = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f'{path!r} does not fit {what}: {error}') from error
    missing = [key for key in found.missing_keys if not key.endswith('num_batches_tracked')]
    strange = list(found.unexpected_keys)
    if missing or strange:
        count = f'{len(missing)} missing, {len(strange)} unexpected keys'
        raise ValueError(f'{path!r} does not fit {what}: {count} ({some([*missing, *strange])})')
