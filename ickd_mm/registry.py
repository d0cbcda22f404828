"""Child registries of scope ``ickd_mm``.

A config of any OpenMMLab project may write ``type='ickd_mm.X'``: mmengine imports this
module when it first meets the scope, and the registries import the modules below. Every root
registry of mmengine has a child here, and what it does not hold is looked for where the scope
around ``ickd_mm`` would look: under ``_scope_='ickd_mm'`` a name means what it means without.
Without mmengine the losses stay plain ``torch.nn`` modules and registering does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from .names import BACKBONES, HOMES

__all__ = ['HOOKS', 'MODELS', 'is_distiller', 'type_name']


def type_name(node: Any) -> str:
    """Name of what a config's dict builds, without scope: ``type`` may be a string or a class."""
    kind = (node or {}).get('type')
    return str(kind if isinstance(kind, str) else getattr(kind, '__name__', kind)).split('.')[-1]


def is_distiller(model: Any) -> bool:
    """Tell whether a model's config is a distiller's: by its class, or by the end of its name."""
    bases = getattr((model or {}).get('type'), '__mro__', ())
    names = [type_name(model), *(base.__name__ for base in bases)]
    return any(name.endswith('FeatureDistiller') for name in names)


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
    import mmengine.registry as mmengine_registries
    from mmengine.registry import DefaultScope, Registry

    class _PassingRegistry(Registry):
        """Finds what it holds, then what the scope around ``ickd_mm`` finds."""

        def get(self, key: str) -> type | None:
            """Return the class of a name; backbones, which need mmpretrain, load when asked for."""
            if isinstance(key, str) and HOMES.get(key.rpartition('.')[2]) == BACKBONES:
                import_module('ickd_mm.backbones')
            self.import_from_location()
            around = None if key in self._module_dict or '.' in key else self._around()
            return super().get(key) if around is None else around.get(key)

        def _around(self) -> Registry | None:
            for instance in reversed(DefaultScope._instance_dict.values()):
                if instance.scope_name != self.scope:
                    with suppress(ImportError):
                        import_module(f'{instance.scope_name}.registry')
                    return self.root._search_child(instance.scope_name)
            return None

    def _files_in(folder: str) -> list[str]:
        """Name every module of a folder, so that a new file is found without being listed."""
        path = str(Path(__file__).parent / folder)
        return [f'ickd_mm.{folder}.{module.name}' for module in iter_modules([path])]

    _LOCATIONS = {
        'model': [
            *_files_in('losses'),
            *_files_in('connectors'),
            'ickd_mm.teachers.backbone',
            'ickd_mm.distillers',
        ],
        'hook': _files_in('hooks'),
    }
    _REGISTRIES = {
        name: _PassingRegistry(
            root.name,
            parent=root,
            scope='ickd_mm',
            # mmengine warns about a registry that names no location.
            locations=_LOCATIONS.get(root.name, ['ickd_mm.registry']),
        )
        for name, root in vars(mmengine_registries).items()
        if isinstance(root, Registry)
    }
    MODELS, HOOKS = _REGISTRIES['MODELS'], _REGISTRIES['HOOKS']
