"""Settings are in setup.cfg; this adds configs and tools to the package, as OpenMMLab does."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = ('configs', 'tools', 'model-index.yml')


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source, target):
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


class BuildWithConfigs(build_py):
    """Lay configs and tools under ``ickd_mm/.mim``: copied into a wheel, linked in place."""

    def run(self):
        super().run()
        if self.editable_mode:
            folder = HERE / 'ickd_mm' / '.mim'
            folder.mkdir(exist_ok=True)
            for name in CARRIED:
                link = folder / name
                _remove(link)
                try:
                    link.symlink_to(Path('..', '..', name), (HERE / name).is_dir())
                except OSError:  # Windows lets only administrators and developers link
                    _copy(HERE / name, link)
            return
        folder = Path(self.build_lib) / 'ickd_mm' / '.mim'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in CARRIED:
            _copy(HERE / name, folder / name)


setup(cmdclass={'build_py': BuildWithConfigs})
