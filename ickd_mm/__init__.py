"""Knowledge distillation by inter-channel correlation for OpenMMLab models.

Names are imported when first used, so that the losses need nothing beyond torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .names import HOMES
from .supported import check_versions
from .version import __version__

__all__ = ['__version__', *HOMES]

check_versions()  # first: an old Python could not import what follows
import_module('.runtime.stack', __name__).apply_compat_patches()


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(HOMES[name], __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted(__all__)
