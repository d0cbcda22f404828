"""Find in ``--cfg-options`` what would change nothing."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..registry import is_distiller
from ..spelling import did_you_mean
from .model_source import ModelSource

OWN_KEYS = ('finite_check', 'teacher_val', 'how_to_get_data', 'how_to_get_teacher')
RUNNER_KEYS = (
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'detect_anomalous_params',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)
"""What mmengine's runner reads from a config beside the arguments of its constructor."""
KNOWN = {
    'env_cfg': ('cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'),
    'optim_wrapper.paramwise_cfg': (
        'bias_decay_mult', 'bias_lr_mult', 'bypass_duplicate', 'custom_keys', 'dcn_offset_lr_mult',
        'dwconv_decay_mult', 'flat_decay_mult', 'norm_decay_mult'),
}  # fmt: skip
"""What mmengine reads from dicts that nothing is built from; unknown keys in them are ignored."""


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Make sure that every ``--cfg-options`` key changes something that is read.

    Keys inside a dict with a ``type`` are left to what is built from it.

    Raises:
        KeyError: for a key that nothing would read, with the nearest name or the one that is read;
            for ``custom_hooks.0.type`` where the config has no ``custom_hooks``.
    """
    takes = inspect.signature(Runner.__init__).parameters
    read = {*takes, *RUNNER_KEYS, *OWN_KEYS}
    for option in options:
        first, where = option.split('.')[0], f'--cfg-options {option}'
        if first not in read | cfg.keys():
            meant = did_you_mean(first, read | cfg.keys())
            raise KeyError(f'{where}: the config has no {first!r}{meant}')
        copies = [] if first in read else list(_copies(cfg, first, read))
        if copies:
            raise KeyError(
                f'{where}: {first!r} is a variable of the config file that nothing reads any more; '
                f'change what was set from it: {", ".join(copies[:3])}'
            )
        _check_preprocessor(cfg, option, options, where)
        _check_path(cfg, option, options, where)


def _copies(cfg: Config, variable: str, read: set[str]) -> Iterator[str]:
    """Yield where a variable's value stands in what is read: under its name, or as it is."""
    value = cfg[variable]
    telling = isinstance(value, (str, dict, list, tuple)) and bool(value)

    def search(node: Any, path: str) -> Iterator[str]:
        named = path.rsplit('.', 1)[-1] == variable
        if (named or telling) and type(node) is type(value) and node == value:
            yield path
            return
        items: Any = node.items() if isinstance(node, dict) else ()
        items = enumerate(node) if isinstance(node, (list, tuple)) else items
        for key, child in items:
            yield from search(child, f'{path}.{key}')

    for key in [key for key in cfg if key in read]:
        yield from search(cfg[key], key)


def _check_preprocessor(cfg: Config, option: str, options: Mapping[str, Any], where: str) -> None:
    """Refuse what is set beside a model that has a preprocessor of its own."""
    model, owner = cfg.get('model') or {}, 'model'
    if is_distiller(model):
        owner, model = 'model.student', options.get('model.student') or model.get('student')
    beside, found, rest = option.partition('data_preprocessor')
    if not found or beside not in ('', 'model.') or beside == f'{owner}.':
        return
    if ModelSource.read(model, 'student').cfg.get('data_preprocessor') is not None:
        raise KeyError(f'{where}: {owner} has its own; set {owner}.data_preprocessor{rest}')


def _check_path(cfg: Config, option: str, options: Mapping[str, Any], where: str) -> None:
    """Refuse a number that counts in no list, and what is nearly another key of an untyped dict."""
    node: Any = dict(cfg.items())
    parts = option.split('.')
    for depth, part in enumerate(parts):
        path, new = '.'.join(parts[:depth]), '.'.join(parts[: depth + 1])
        if isinstance(node, (list, tuple)):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else None
        elif isinstance(node, dict) and (part in node or new in KNOWN):
            node = node.get(part, {})
        elif part.isdigit():  # mmengine would make a dict with the key '0' of it
            got = f'has {node!r}' if node else 'has none'
            raise KeyError(
                f'{where}: {path} must be a list to be indexed, but the config {got}; write '
                f'{path} = [dict(...)] in a config file that inherits this one'
            )
        elif isinstance(node, dict):
            free = path == 'model.pairs' or path.endswith('.custom_keys')
            known = {*node, *KNOWN.get(path, ())} - {part}
            near = difflib.get_close_matches(part, known, n=1, cutoff=0.8)
            meant = (
                free or f'{new}.type' in options or 'type' in node or part in KNOWN.get(path, ())
            )
            if depth and near and not meant:
                raise KeyError(f'{where}: no {part!r} in {path}; did you mean {near[0]!r}?')
            node = None
