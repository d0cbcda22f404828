"""A recipe that is inherited through ``ickd_mm::`` keeps the scope that it was written for.

mmengine marks what a config inherits through ``package::path`` with ``_scope_='package'``, which
is right for a package that is a library of its own. Here it is not: a recipe's data sets,
transforms and visualizer are those of mmseg or mmpretrain, its ``default_scope`` says which, and
what is ours is written ``ickd_mm.X``. So the mark is that ``default_scope``, and a file without
one (a part of a recipe) is not marked. Registries of our own that delegate are not enough:
whatever is built inside a loop or a data set would see ``ickd_mm`` as the default scope, and a
root registry that a library has for itself (mmpretrain's batch augmentations) does not know it;
nor could they know the recipe's library in a project with another default scope. The registries of
:mod:`ickd_mm.registry` hand on all the same, for whoever writes ``_scope_='ickd_mm'``.

Needed with mmengine 0.10.7 and onedl-mmengine 0.10.12.
"""

from __future__ import annotations

import functools
from typing import Any

from mmengine.config import Config


@functools.cache
def keep_scope_of_recipes() -> None:
    """Let mmengine mark an inherited recipe with its own ``default_scope``."""
    convert = Config._dict_to_config_dict

    @functools.wraps(convert)
    def mark(cfg: Any, scope: str | None = None, has_scope: bool = True) -> Any:
        if scope == 'ickd_mm':  # a whole file: the parts below it get what is chosen here
            scope = cfg.get('default_scope')
        return convert(cfg, scope, has_scope)

    Config._dict_to_config_dict = staticmethod(mark)
