"""A wheel carries configs and tools, and asks for no part of an OpenMMLab environment."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_string

import pytest
from support.repository import REPO

PARTS = ('ickd_mm', 'configs', 'tools', 'setup.py', 'setup.cfg', 'pyproject.toml')
FILES = ('README.md', 'LICENSE', 'model-index.yml')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    source, out = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    for name in (*PARTS, *FILES):
        if (REPO / name).is_dir():
            ignore = shutil.ignore_patterns('.mim', '__pycache__')
            shutil.copytree(REPO / name, source / name, ignore=ignore)
        else:
            shutil.copy(REPO / name, source / name)
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation']
    done = subprocess.run([*command, '-w', out, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    return zipfile.ZipFile(next(out.glob('*.whl')))


def test_it_carries_every_config_and_tool(wheel):
    names = set(wheel.namelist())
    for folder in ('configs', 'tools'):
        for file in (REPO / folder).rglob('*'):
            if file.is_file() and '__pycache__' not in file.parts:
                assert f'ickd_mm/.mim/{file.relative_to(REPO)}' in names
    assert 'ickd_mm/.mim/model-index.yml' in names


def test_it_replaces_nothing_of_an_openmmlab_environment(wheel):
    (file,) = (n for n in wheel.namelist() if n.endswith('/METADATA'))
    needs = message_from_string(wheel.read(file).decode()).get_all('Requires-Dist')
    always = {need for need in needs if 'extra ==' not in need}
    assert always == {'filelock', 'ftfy', 'numpy', 'regex', 'rich', 'safetensors', 'torch'}
    extras = ' '.join(need for need in needs if 'extra ==' in need)
    for family in ('mmcv-lite', 'onedl-mmcv'):
        assert family in extras
