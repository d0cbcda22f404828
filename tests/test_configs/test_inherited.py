"""The wheel's configs, inherited by name in an empty folder, are whole runs there."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.made_data import make_data
from support.recipes import FILES, name
from support.tools import load, scalars

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1] / 'support'
NAMES = [f'{name(file)}.py' for file in FILES]
FOREIGN = 2
# One of each family: its data set, task and loop. The first two are trained by the tools of mmseg
# and mmpretrain as well.
FAMILIES = {
    'scenes': 'ickd/pspnet_digits.py',
    'digits': 'ickd/resnet_digits.py',
    'voc': 'ickd/pspnet_r101_r18_voc.py',
    'imagenet': 'ickd/resnet34_resnet18_scratch_imagenet.py',
    'cifar100': 'ickd/wrn_40_2_wrn_16_2_cifar100.py',
}


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp('made'))


@pytest.fixture(scope='session')
def installed(tmp_path_factory, wheel):
    """A folder that holds the wheel's files and nothing else."""
    folder = tmp_path_factory.mktemp('installed')
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope='session')
def run(tmp_path_factory, installed, made):
    """Run a script of this folder in an empty one; return that."""

    def run(script, *args):
        folder = tmp_path_factory.mktemp('empty')
        env = {**os.environ, 'PYTHONPATH': str(installed), 'OMP_NUM_THREADS': '1'}
        command = [sys.executable, str(HERE / script), str(made), *args]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return folder

    return run


@pytest.fixture(scope='session')
def problems(run):
    return json.loads((run('walk_inherited.py') / 'problems.json').read_text())


@pytest.mark.parametrize('config', NAMES)
def test_every_part_of_a_runner_is_built(problems, config):
    assert problems[config] == ''


@pytest.fixture(scope='session')
def trained(run):
    return run('train_inherited.py', str(FOREIGN), *FAMILIES.values())


@pytest.mark.parametrize(
    ('family', 'tool'),
    [(family, 'ours') for family in FAMILIES]
    + [(family, 'foreign') for family in list(FAMILIES)[:FOREIGN]],
)
def test_two_iterations_and_a_validation(trained, family, tool):
    folder = trained / f'{tool}-{list(FAMILIES).index(family)}'
    printed = (folder / 'output.txt').read_text()
    assert json.loads((trained / 'codes.json').read_text())[folder.name] == 0, printed[-1500:]
    assert 'Failed to search registry' not in printed
    lines = scalars(folder)
    assert len([line for line in lines if line.get('loss_icc', 0) > 0]) == 2
    assert any('mIoU' in line or 'accuracy/top1' in line for line in lines)
    weights = load(next(folder.glob('*_*.pth')))['state_dict']
    assert weights
    assert not any('teacher' in key for key in weights)
