"""Make something once for all workers of a test run."""

import os
import shutil

from filelock import FileLock


def shared_folder(tmp_path_factory, name, make):
    """Return a folder that ``make(folder)`` filled, in whichever process asked first.

    pytest-xdist's workers each have a folder of their own inside that of the run.
    """
    root = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        root = root.parent
    folder, complete = root / name, root / f'{name}.complete'
    with FileLock(root / f'{name}.lock'):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder
