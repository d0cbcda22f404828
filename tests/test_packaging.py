"""A wheel carries configs and tools, and installing it replaces nothing."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from importlib import metadata

import pytest
from support.repository import REPO

pytestmark = pytest.mark.slow

PIP = (sys.executable, '-m', 'pip', '-q', '--disable-pip-version-check')


def succeed(command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, (done.stdout + done.stderr)[-800:]
    return done.stdout


@pytest.fixture(scope='module')
def needs(wheel):
    """The wheel's requirements: {name: (versions, whether an extra asks for it)}."""
    with zipfile.ZipFile(wheel) as files:
        (metadata,) = (name for name in files.namelist() if name.endswith('/METADATA'))
        lines = message_from_string(files.read(metadata).decode()).get_all('Requires-Dist')
    found = {}
    for line in lines:
        name, versions = re.match(r'([\w-]+)([^;]*)', line).groups()
        found[name] = (versions.strip(), 'extra ==' in line)
    return found


def test_it_carries_every_config_and_tool(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
    for folder in ('configs', 'tools'):
        for file in (REPO / folder).rglob('*'):
            if file.is_file() and '__pycache__' not in file.parts:
                assert f'ickd_mm/.mim/{file.relative_to(REPO)}' in names
    assert 'ickd_mm/.mim/model-index.yml' in names


def test_it_carries_no_weights(wheel):
    with zipfile.ZipFile(wheel) as files:
        assert not [name for name in files.namelist() if name.endswith(('.pth', '.safetensors'))]
    assert wheel.stat().st_size < 1e6


def test_the_source_archive_holds_every_tracked_file(tmp_path):
    """So that the tests run from it."""
    if not (REPO / '.git').exists():
        pytest.skip('not a checkout: git cannot say what is tracked')
    tracked = succeed(['git', 'ls-files', '-z'], cwd=REPO).rstrip('\0').split('\0')
    for name in tracked:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    code = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    succeed([sys.executable, '-c', code], cwd=tmp_path)
    (archive,) = (tmp_path / 'dist').glob('*.tar.gz')
    with tarfile.open(archive) as files:
        held = {name.partition('/')[2] for name in files.getnames()}
    assert {*tracked} <= held


def test_a_config_elsewhere_inherits_from_the_installed_wheel(wheel, tmp_path):
    succeed([*PIP, 'install', '--no-deps', '--no-index', '--target', tmp_path / 'site', wheel])
    (tmp_path / 'mine.py').write_text("_base_ = 'ickd_mm::ickd/pspnet_digits.py'\nseed = 7\n")
    code = (
        'import ickd_mm\n'
        'from mmengine.config import Config\n'
        "print(ickd_mm.__file__, Config.fromfile('mine.py').model.type)\n"
    )
    env = {**os.environ, 'PYTHONPATH': str(tmp_path / 'site')}
    said = succeed([sys.executable, '-c', code], cwd=tmp_path, env=env)
    assert said.split()[-2:] == [
        str(tmp_path / 'site/ickd_mm/__init__.py'),
        'ickd_mm.FeatureDistiller',
    ]


def test_pip_would_install_nothing_beside_it(wheel, tmp_path):
    """In this environment, of either family, without an index."""
    report = tmp_path / 'report.json'
    succeed([*PIP, 'install', '--dry-run', '--no-index', '--report', report, wheel])
    names = {item['metadata']['name'] for item in json.loads(report.read_text())['install']}
    assert names <= {'ickd-mm'}


def test_no_requirement_is_a_part_of_an_openmmlab_environment(needs):
    always = {name: versions for name, (versions, extra) in needs.items() if not extra}
    assert not [name for name in always if re.match('mm|onedl|torchvision', name)]
    assert always['torch'] == ''  # a version that is there stays
    assert {'ftfy', 'regex'} <= {*always}  # mmsegmentation imports them without asking for them
    assert {'mmcv-lite', 'onedl-mmcv'} <= {name for name in needs if name not in always}


@pytest.mark.skipif(sys.version_info < (3, 10), reason='needs Python 3.10: names of modules')
def test_whatever_the_package_imports_is_asked_for(needs):
    roots = set()
    for file in [*(REPO / 'ickd_mm').rglob('*.py'), *(REPO / 'tools').glob('*.py')]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(node.module.split('.')[0])
    # mmdet is in one of the stacks alone.
    homes = {'mmdet': ['onedl-mmdetection'], **metadata.packages_distributions()}
    foreign = roots - sys.stdlib_module_names - {'ickd_mm', 'tools'}
    missing = {root for root in foreign if not {*homes.get(root, [root])} & {*needs}}
    assert not missing
