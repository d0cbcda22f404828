"""Find in a config what mmengine would pass over in silence."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..registry import MODELS, is_distiller
from ..spelling import did_you_mean

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
    'sync_bn',
    'tta_model',
    'tta_pipeline',
)
"""What mmengine's runner reads from a config beside the arguments of its constructor."""


def _bases(tree: ast.Module, file: Path) -> Iterator[Path]:
    """Config files of this folder tree that a config inherits from."""
    for node in tree.body:
        names = [t.id for t in getattr(node, 'targets', []) if isinstance(t, ast.Name)]
        if isinstance(node, ast.Assign) and names == ['_base_']:
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield file.parent / part.value


def check_text(file: Path) -> None:
    """Make sure that no dict literal of a config, or of the files it inherits, repeats a key.

    Python keeps the last of two entries of one name, so a second pair would silently take the
    place of the first. (``dict(a=1, a=2)`` is a syntax error by itself.)

    Raises:
        KeyError: naming the file, the line and the key.
    """
    if file.suffix != '.py' or not file.is_file():
        return
    try:
        tree = ast.parse(file.read_text(encoding='utf-8'))
    except SyntaxError:
        return  # mmengine says so
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            seen: set[Any] = set()
            for key in node.keys:
                if isinstance(key, ast.Constant) and key.value in seen:
                    raise KeyError(
                        f'{file}, line {key.lineno}: key {key.value!r} stands twice in one dict; '
                        'the first would be lost: rename one'
                    )
                if isinstance(key, ast.Constant):
                    seen.add(key.value)
    for base in _bases(tree, file):
        check_text(base)


def check_options(cfg: Config, options: Iterable[str]) -> None:
    """Make sure that values from the command line change something.

    Args:
        cfg: the config as its file has it.
        options: dotted keys.

    Raises:
        KeyError: for a key whose first part neither the config nor mmengine's runner knows.
    """
    takes = inspect.signature(Runner.__init__).parameters
    known = {*cfg.keys(), *takes, *RUNNER_KEYS, *OWN_KEYS}
    for option in options:
        first = option.split('.')[0]
        if first not in known:
            raise KeyError(
                f'--cfg-options {option}: the config has no {first!r}{did_you_mean(first, known)}'
            )


def check_keys(cfg: Config) -> None:
    """Make sure that a distiller's config has the keys that it may have.

    Raises:
        KeyError: for one that is unknown or missing.
        ValueError: for ``teacher_val`` without a teacher or without a validation set.
    """
    model = cfg.get('model') or {}
    distils = is_distiller(model)
    if distils:
        kind = model.get('type')
        distiller = MODELS.get(kind) if isinstance(kind, str) else kind
        takes = inspect.signature(distiller or MODELS.get('FeatureDistiller')).parameters
        for key in model:
            if key not in (*takes, 'type', '_scope_'):
                raise KeyError(
                    f'model: unknown key {key!r}{did_you_mean(key, takes)} '
                    f'It may hold {", ".join(takes)}'
                )
        for key, parameter in takes.items():
            if parameter.default is parameter.empty and key not in model:
                raise KeyError(f'model: {key!r} is missing; a distiller needs it')
    if cfg.get('teacher_val'):
        if not distils:
            raise ValueError(f'teacher_val is set, but model.type={model.get("type")!r} has no '
                             'teacher: leave it out')  # fmt: skip
        for key in ('val_dataloader', 'val_evaluator'):
            if cfg.get(key) is None:
                raise ValueError(f'teacher_val is set and {key} is not: the teacher needs it too')
