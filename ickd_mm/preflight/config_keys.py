"""Find in a config what mmengine would ignore without a word."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..registry import MODELS, is_distiller, type_name
from ..spelling import refuse_unknown

_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


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

    Python keeps the last of two equal keys, so a second pair would silently replace the first.
    (``dict(a=1, a=2)`` is a syntax error by itself.)

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
                if not isinstance(key, ast.Constant):
                    continue
                if key.value in seen:
                    raise KeyError(
                        f'{file}, line {key.lineno}: key {key.value!r} appears twice in one dict; '
                        'the first would be lost: rename one'
                    )
                seen.add(key.value)
    for base in _bases(tree, file):
        check_text(base)


def distiller_parameters(model: dict) -> dict[str, inspect.Parameter]:
    """Return the parameters of a distiller's class; with ``**kwargs``, its bases' too."""
    kind: Any = model.get('type')
    kind = (MODELS.get(kind) if isinstance(kind, str) else kind) or MODELS.get('FeatureDistiller')
    found: dict[str, inspect.Parameter] = {}
    for base in (base for base in kind.__mro__ if '__init__' in vars(base)):
        parameters = inspect.signature(base.__init__).parameters
        named = (p for p in parameters.values() if p.name != 'self' and p.kind not in _REST)
        found = {**{p.name: p for p in named}, **found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return found


def refusal(runner: str) -> str:
    """Say why a runner that is not a ``Runner``, as FlexibleRunner, does not train a distiller."""
    return (
        f'{runner} cannot train a distiller: its checkpoints would hold connectors and need '
        'unpickling, teacher_val and finite_check would do nothing. Leave runner_type and strategy '
        'out; tools/dist_train.sh trains on several GPUs, by DDP'
    )


def runner_class(cfg: Config) -> Any:
    """Return the class that ``runner_type`` names, mmengine's ``Runner`` where the key is missing.

    Raises:
        KeyError: if nothing is registered under that name.
        ValueError: if it cannot train the config's model, or a ``strategy`` would be ignored.
    """
    name = cfg.get('runner_type', 'Runner')
    with RUNNERS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
        kind = registry.get(name) if isinstance(name, str) else name
    if kind is None:
        raise KeyError(
            f'runner_type = {name!r} is not registered: leave it out, or import the module that '
            'registers it by custom_imports'
        )
    distils = is_distiller(cfg.get('model'))
    if issubclass(kind, Runner) and cfg.get('strategy') is not None:
        other = '' if distils else ", or set runner_type='FlexibleRunner'"
        raise ValueError(
            f'strategy = {type_name(cfg.strategy)!r} is set, but {kind.__name__} reads none: '
            f'leave it out{other}'
        )
    if distils and not issubclass(kind, Runner):
        raise ValueError(refusal(f'runner_type = {kind.__name__!r}'))
    return kind


def check_keys(cfg: Config) -> None:
    """Make sure that a distiller's config has the keys that it may have.

    Raises:
        KeyError: for one that is unknown or missing.
        ValueError: for ``teacher_val`` without a teacher or without a validation set.
    """
    model = cfg.get('model') or {}
    distils = is_distiller(model)
    if distils:
        takes = distiller_parameters(model)
        student = model['student'] if isinstance(model.get('student'), dict) else {}
        for key in model:
            if key in student and key not in (*takes, 'type', '_scope_'):
                raise KeyError(f'model.{key}: a distiller has none; write model.student.{key}')
        refuse_unknown(model, takes, 'model', silent=('type', '_scope_'))
        for key, parameter in takes.items():
            if parameter.default is parameter.empty and key not in model:
                raise KeyError(f'model: {key!r} is missing; a distiller needs it')
    if cfg.get('teacher_val'):
        if not distils:
            kind = type_name(model)
            raise ValueError(f'teacher_val is set, but {kind!r} has no teacher: leave it out')
        for key in ('val_dataloader', 'val_evaluator'):
            if cfg.get(key) is None:
                raise ValueError(f'teacher_val is set and {key} is not: the teacher needs it too')
