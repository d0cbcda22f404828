"""Write checkpoints so that a file under its own name is always whole."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


class WholeFileBackend(LocalBackend):
    """mmengine's local files, except that writing bytes is all or nothing.

    mmengine (0.10.7, onedl 0.10.12) writes a checkpoint straight into its file: a process that
    is killed then, or a disk that is full, leaves half a file under the right name, and the
    older file of that name is gone.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write to ``.<name>.part`` beside the file, then move it over the file.

        Args:
            obj: the bytes.
            filepath: where they go; the folder is made.

        Raises:
            OSError: if they cannot be written; an older file of that name is untouched.
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


@functools.cache
def install_writer() -> None:
    """Let mmengine write local files through :class:`WholeFileBackend`.

    Uses mmengine's own extension point.
    """
    register_backend('local', WholeFileBackend, force=True, prefixes='')
