"""Refuse, when the package is imported, versions that do not work."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from importlib import metadata

FAMILIES = ('mmengine', 'onedl-mmengine'), ('mmcv', 'onedl-mmcv'), ('mmcv-lite', 'onedl-mmcv')


def _found(name: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _older(version: str | None, *wanted: int) -> bool:
    return version is not None and tuple(map(int, re.findall(r'\d+', version)[:2])) < wanted


def check_versions() -> None:
    """Look at Python, torch, NumPy and the two families of OpenMMLab, without importing them.

    mmseg and mmpretrain look themselves for an mmcv and an mmengine that fit them.

    Raises:
        RuntimeError: with the versions found and wanted. (mmengine passes over an ImportError
            when it looks a scope up, and the name would only seem to be unknown.)
    """
    python = '.'.join(map(str, sys.version_info[:3]))
    if _older(python, 3, 9):
        raise RuntimeError(f'ickd_mm needs Python >= 3.9; this is {python}')
    torch, numpy = _found('torch'), _found('numpy')
    if _older(torch, 2, 1):
        raise RuntimeError(f'ickd_mm needs torch >= 2.1; found torch {torch}')
    if _older(torch, 2, 3) and numpy is not None and not _older(numpy, 2):
        raise RuntimeError(
            f'torch {torch} cannot exchange arrays with numpy {numpy}: it was built for numpy 1. '
            'Install numpy < 2, or torch >= 2.3'
        )
    for ours, theirs in FAMILIES:
        if _found(ours) and _found(theirs):
            raise RuntimeError(
                f'found {ours} {_found(ours)} and {theirs} {_found(theirs)}, which overwrite each '
                "other's files: make an environment with one of the two families"
            )
