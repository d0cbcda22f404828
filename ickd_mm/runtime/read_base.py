"""New-style configs inherit the recipes: ``from ickd_mm.configs.… import *`` in ``read_base``.

mmengine looks for such a file beside the package's modules, and refuses one that is written in
the old style (``_base_ = …``), as the recipes are. Here it is looked for where the package carries
its configs, ``ickd_mm/.mim/configs``, and an old-style file is read as such: what the heir gets are
its values, with ``type`` as text. Files of the heir's own must still be of its own style.

Needed with mmengine 0.10.7 and onedl-mmengine 0.10.12.
"""

from __future__ import annotations

import functools
from pathlib import Path

import mmengine.config.config as config
from mmengine.config import Config, ConfigDict

_CARRIED = Path(__file__).resolve().parent.parent / '.mim'


@functools.cache
def offer_recipes_to_read_base() -> None:
    """Let mmengine find and read ``ickd_mm.configs.…`` in new-style configs."""
    parse = Config._parse_lazy_import

    @functools.wraps(parse)
    def parse_lazy_import(filename: str) -> tuple[ConfigDict, set]:
        if _CARRIED in Path(filename).parents and not Config._is_lazy_import(filename):
            return ConfigDict(Config._file2dict(filename, lazy_import=False)[0]), set()
        look_up = config.get_installed_path

        def folder_of(package: str) -> str:
            return str(_CARRIED) if package == 'ickd_mm' else look_up(package)

        config.get_installed_path = folder_of
        try:
            return parse(filename)
        finally:
            config.get_installed_path = look_up

    Config._parse_lazy_import = staticmethod(parse_lazy_import)
