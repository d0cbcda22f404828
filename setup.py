"""Settings are in setup.cfg; this adds configs and tools to the package, as OpenMMLab does."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = ('configs', 'tools', 'model-index.yml')


class BuildWithConfigs(build_py):
    """Lay configs and tools under ``ickd_mm/.mim``: copied into a wheel, linked in place."""

    def run(self):
        super().run()
        if self.editable_mode:
            folder = HERE / 'ickd_mm' / '.mim'
            folder.mkdir(exist_ok=True)
            for name in CARRIED:
                link = folder / name
                link.unlink(missing_ok=True)
                link.symlink_to(Path('..', '..', name))
            return
        folder = Path(self.build_lib) / 'ickd_mm' / '.mim'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in CARRIED:
            copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
            copy(HERE / name, folder / name)


setup(cmdclass={'build_py': BuildWithConfigs})
