"""How mmengine reads and writes checkpoint files: without running code, and never half a file."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_dist_info, get_local_rank
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from ..checkpoint.reading import read_checkpoint


class WholeFileBackend(LocalBackend):
    """mmengine's local files, except that writing bytes is all or nothing.

    mmengine (0.10.7, onedl 0.10.12) writes a checkpoint straight into its file: a process that
    is killed then, or a disk that is full, leaves half a file under the right name, and the
    older file of that name is gone.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write to ``.<name>.part`` beside the file, then move it over the file.

        Raises:
            OSError: if that fails; an older file of that name is untouched.
        """
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # /dev/null and the like
            super().put(obj, filepath)
            return
        target = target.resolve()
        part = target.with_name(f'.{target.name}.part')
        try:
            with open(part, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OSError(
                error.errno, f'{error.strerror}; older checkpoints are untouched', str(filepath)
            ) from error


def _read_url(
    filename: str, map_location: Any = None, model_dir: str | None = None, progress: bool = True
) -> Any:
    """Download once per node, to torch's cache, and read that file; arguments are mmengine's."""
    folder = model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints')
    target = os.path.join(folder, os.path.basename(filename.split('?')[0]))
    _, world_size = get_dist_info()
    if get_local_rank() == 0 and not os.path.exists(target):
        os.makedirs(folder, exist_ok=True)
        torch.hub.download_url_to_file(filename, target, progress=progress)
    if world_size > 1:
        torch.distributed.barrier()
    return read_checkpoint(target, map_location)


@functools.cache
def install_reader() -> None:
    """Let mmengine read files and URLs through :func:`read_checkpoint`.

    Uses mmengine's own extension point. Closes two gaps: mmengine 0.10.7 cannot resume its own
    checkpoints on torch >= 2.6, and onedl-mmengine 0.10.12 falls back to unpickling anything.
    """
    CheckpointLoader.register_scheme(prefixes='', loader=read_checkpoint, force=True)
    CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), loader=_read_url, force=True)
    # open-mmlab://, torchvision:// and the like call this one by name.
    mmengine_checkpoint.load_from_http = _read_url


@functools.cache
def install_writer() -> None:
    """Let mmengine write local files through :class:`WholeFileBackend`.

    Uses mmengine's own extension point.
    """
    register_backend('local', WholeFileBackend, force=True, prefixes='')
