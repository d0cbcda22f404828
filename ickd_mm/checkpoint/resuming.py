"""Find the checkpoint that an interrupted run resumes from."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from .reading import read_checkpoint

NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')
POINTER = 'last_checkpoint'


def check_resumable(path: Path) -> None:
    """Make sure that a run can resume from this file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is cut off, is refused, or lacks what resuming needs.
    """
    loaded: Any = read_checkpoint(path)
    missing = [key for key in NEEDED if not isinstance(loaded, dict) or key not in loaded]
    if missing:
        raise ValueError(
            f'{str(path)!r} lacks {", ".join(missing)}: a run cannot resume from it; '
            'load_from starts a new run from its weights'
        )


def _pointed_at(folder: Path) -> str:
    file = folder / POINTER
    return file.read_text().strip() if file.is_file() else ''


def _candidates(folder: Path) -> list[Path]:
    """Checkpoints of a run, newest first: by the number that ends the name, then by date."""
    pointed = _pointed_at(folder)
    folders = {folder.resolve(), Path(pointed).resolve().parent} if pointed else {folder.resolve()}
    found = []
    for file in (file for place in folders for file in place.glob('*.pth')):
        number = re.search(r'\d+$', file.stem)
        if number is not None and not file.stem.startswith('best_'):
            found.append((int(number[0]), file.stat().st_mtime, file))
    return [file for *_, file in sorted(found, reverse=True)]


def newest_whole(folder: Path) -> Path | None:
    """Return the newest checkpoint in a work folder that can be resumed from.

    Looks at every numbered ``.pth`` file there and beside the file that ``last_checkpoint``
    names (``CheckpointHook.out_dir``), not at that name alone: a killed run may have left it
    out of date, empty, or pointing at half a file. Skipped files are named in warnings; ``best_*``
    files hold no optimizer and are not considered. Returns None if there is no checkpoint at all.

    Raises:
        ValueError: if there are checkpoints and none of them is whole.
    """
    candidates = _candidates(folder)
    for file in candidates:
        try:
            check_resumable(file)
        except ValueError as error:
            print_log(f'Skips {file.name}: {error}', 'current', logging.WARNING)
        else:
            return file
    if candidates:
        raise ValueError(
            f'none of the {len(candidates)} checkpoints in {str(folder)!r} can be resumed from '
            f'(newest: {candidates[0].name}); start again in another folder, or remove them'
        )
    return None


def choose_resume(cfg: Config, named: str | None = None) -> None:
    """Set in a config, whose work folder is set, what its run resumes from.

    That is the checkpoint ``named``, or the newest whole one. Without a checkpoint the run warns
    and starts from the beginning (and from the config's own ``load_from``). Addresses that are not
    local files are left to mmengine, which would not check a file either.

    Raises:
        FileNotFoundError, ValueError: if the named file is missing or broken, or no file of
            the work folder is whole.
    """
    if named is not None:
        if '://' not in named:
            check_resumable(Path(named))
        cfg.resume, cfg.load_from = True, named
        return
    folder = Path(cfg.work_dir)
    if '://' in _pointed_at(folder):
        cfg.resume, cfg.load_from = True, None
        return
    newest = newest_whole(folder)
    cfg.resume = newest is not None
    if newest is None:
        message = f'No checkpoint in {folder}: starts from the beginning'
        print_log(message, 'current', logging.WARNING)
        return
    cfg.load_from = str(newest)
    print_log(f'Resumes from {newest}', 'current')
