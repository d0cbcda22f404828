"""The wheel's configs, inherited by name in an empty folder, are whole runs there."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support.made_data import make_data
from support.plainly import run_plainly
from support.recipes import FILES, ROOT, name
from support.tools import load, scalars

from ickd_mm.preflight.plain_config import plain_config
from ickd_mm.registry import MODELS
from ickd_mm.runtime.stack import missing_operator

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1] / 'support'
NAMES = [f'{name(file)}.py' for file in FILES]
DETECTORS = {
    'coco': 'ickd/retinanet_r101_r18_coco.py',
    'mosaics of coco': 'ickd/rtmdet_s_tiny_coco.py',
}
# One of each family: its data set, task and loop.
RECIPES = {
    'scenes': 'ickd/pspnet_digits.py',
    'digits': 'ickd/resnet_digits.py',
    **DETECTORS,
    'voc': 'ickd/pspnet_r101_r18_voc.py',
    'imagenet': 'ickd/resnet34_resnet18_scratch_imagenet.py',
    'cifar100': 'ickd/wrn_40_2_wrn_16_2_cifar100.py',
}
THERE = [family for family in RECIPES if family not in DETECTORS or find_spec('mmdet')]
# These are trained by their libraries' own tools as well.
FOREIGN = [family for family in THERE if family in ('scenes', 'digits', *DETECTORS)]
NO_MMDET = pytest.mark.skipif(
    find_spec('mmdet') is None, reason='mmdet is not installed: it comes with STACK=onedl'
)


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
    return run('train_inherited.py', str(len(FOREIGN)), *map(RECIPES.get, THERE))


def run_of(trained, tool, family):
    return trained / f'{tool}-{THERE.index(family)}'


@pytest.mark.parametrize(
    ('family', 'tool'),
    [
        pytest.param(family, tool, marks=NO_MMDET if family in DETECTORS else ())
        for family in RECIPES
        for tool in ('ours', 'foreign')
        if tool == 'ours' or family in (*FOREIGN, *DETECTORS)
    ],
)
def test_two_iterations_and_a_validation(trained, family, tool):
    folder = run_of(trained, tool, family)
    printed = (folder / 'output.txt').read_text()
    assert json.loads((trained / 'codes.json').read_text())[folder.name] == 0, printed[-1500:]
    assert 'Failed to search registry' not in printed
    lines = scalars(folder)
    assert len([line for line in lines if line.get('loss_icc', 0) > 0]) == 2
    if family not in DETECTORS or not missing_operator('batched_nms'):
        scores = {'mIoU', 'accuracy/top1', 'coco/bbox_mAP'}
        assert any(scores & line.keys() for line in lines)
    weights = load(next(folder.glob('*_*.pth')))['state_dict']
    assert weights
    assert not any('teacher' in key for key in weights)


PLAIN = """
import warnings
warnings.simplefilter('ignore')
import mmdet.models
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
init_default_scope('mmdet')
found = []
for config, file in zip(sys.argv[2::2], sys.argv[3::2]):
    model = MODELS.build(Config.fromfile(config).model).eval()
    weights = torch.load(file, weights_only=True)['state_dict']
    model.load_state_dict(weights, strict=True)
    torch.manual_seed(0)
    with torch.no_grad():
        found.append(model(torch.randn(2, 3, 64, 96), mode='tensor'))
torch.save(found, sys.argv[1])
assert 'ickd_mm' not in sys.modules
"""


def same(ours, theirs):
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs))


@NO_MMDET
def test_plain_mmdet_loads_the_students_and_their_heads_give_the_same(trained, tmp_path):
    """Boxes are a function of what the heads give, by operators that may be missing here."""
    words, ours = [], []
    init_default_scope('mmdet')
    for family, recipe in DETECTORS.items():
        cfg = plain_config(Config.fromfile(ROOT / recipe))
        cfg.dump(tmp_path / f'{family.split()[0]}.py')
        for tool in ('ours', 'foreign'):
            file = run_of(trained, tool, family) / 'epoch_1.pth'
            words += [tmp_path / f'{family.split()[0]}.py', file]
            model = MODELS.build(cfg.model).eval()
            model.load_state_dict(load(file)['state_dict'], strict=True)
            torch.manual_seed(0)
            with torch.no_grad():
                ours.append(model(torch.randn(2, 3, 64, 96), mode='tensor'))
    run_plainly(PLAIN, tmp_path / 'out.pth', *words, cwd=tmp_path)
    assert same(ours, load(tmp_path / 'out.pth'))
    assert not same(ours[0], ours[2])
