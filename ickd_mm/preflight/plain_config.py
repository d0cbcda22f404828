"""The config of a distilled run with the student in the distiller's place."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config

from .model_source import student_config
from .options import OWN_KEYS


def _is_ours(hook: Any) -> bool:
    kind = hook.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__module__', '')
    return f'{name}.'.startswith('ickd_mm.') or hook.get('_scope_') == 'ickd_mm'


def plain_config(cfg: Config) -> Config:
    """Return the config that the student of a distilled run has by itself; ``cfg`` stays as it is.

    What is this package's is left out: keys, hooks, and its import, unless the student has parts
    from here.

    Raises:
        TypeError, ValueError, FileNotFoundError: if the student cannot be read; see
            :func:`ickd_mm.preflight.model_source.read_student`.
    """
    plain = copy.deepcopy(cfg)
    plain.model = student_config(cfg.model, cfg.get('data_preprocessor'))
    for key in OWN_KEYS:
        plain.pop(key, None)
    hooks = plain.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook and _is_ours(hook)]:
        del hooks[name]
    if plain.get('custom_hooks'):
        plain.custom_hooks = [hook for hook in plain.custom_hooks if not _is_ours(hook)]
    imports = (plain.get('custom_imports') or {}).get('imports')
    if imports and 'ickd_mm.' not in str(plain.model):
        names = [imports] if isinstance(imports, str) else imports
        kept = [name for name in names if name.split('.')[0] != 'ickd_mm']
        if kept:
            plain.custom_imports.imports = kept
        else:
            plain.pop('custom_imports')
    return plain
