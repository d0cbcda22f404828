"""Child registries of scope ``ickd_mm``.

A config of any OpenMMLab project may write ``type='ickd_mm.X'``: mmengine imports this
module when it first meets the scope, and the registries import the modules below.
Without mmengine the losses stay plain ``torch.nn`` modules and registering does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .names import BACKBONES, HOMES

__all__ = ['HOOKS', 'MODELS', 'is_distiller', 'type_name']


def type_name(node: Any) -> str:
    """Name of what a config's dict builds, without scope: ``type`` may be a string or a class."""
    kind = (node or {}).get('type')
    return str(kind if isinstance(kind, str) else getattr(kind, '__name__', kind)).split('.')[-1]


def is_distiller(model: Any) -> bool:
    """Tell whether a model's config is a distiller's."""
    return type_name(model).endswith('FeatureDistiller')


class _NoRegistry:
    """Stands in for a registry where mmengine is not installed."""

    def register_module(self, *args: Any, **kwargs: Any) -> Callable:
        """Return a decorator that leaves the class as it is."""
        return lambda cls: cls


def _has_mmengine() -> bool:
    try:
        return find_spec('mmengine') is not None
    except ModuleNotFoundError:
        return False


if not _has_mmengine():
    MODELS: Any = _NoRegistry()
    HOOKS: Any = _NoRegistry()
else:
    from mmengine.registry import HOOKS as MMENGINE_HOOKS
    from mmengine.registry import MODELS as MMENGINE_MODELS
    from mmengine.registry import Registry

    class _ModelRegistry(Registry):
        """Imports the backbones when one is asked for: they need mmpretrain, others do not."""

        def get(self, key: str) -> type | None:
            if isinstance(key, str) and HOMES.get(key.rpartition('.')[2]) == BACKBONES:
                import_module('ickd_mm.backbones')
            return super().get(key)

    MODELS = _ModelRegistry(
        'model',
        parent=MMENGINE_MODELS,
        scope='ickd_mm',
        locations=['ickd_mm.losses', 'ickd_mm.connectors', 'ickd_mm.distillers'],
    )
    HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='ickd_mm', locations=['ickd_mm.hooks'])
