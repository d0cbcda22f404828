"""What several tests need: small data, small models, one finished run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from support.gpu import ON_GPU
from support.older import skip_what_is_not_there
from support.quick import make_quick, pass_over
from support.repository import ICKD, REPO, TEACHER, data_options, model_config
from support.sharing import shared_folder
from support.tools import succeed, train

import ickd_mm  # noqa: F401
from ickd_mm.commands.demo.dataset import prepare_digits
from ickd_mm.commands.gpu_report import what_is_missing
from ickd_mm.registry import MODELS

make_quick()

GPU_TESTS = Path(__file__).parent / 'test_gpu'


def pytest_ignore_collect(collection_path, config):
    """With ``-m gpu`` read only those tests: others need packages that a GPU machine may lack."""
    if config.option.markexpr == 'gpu' and collection_path.name.startswith('test_'):
        inside = collection_path == GPU_TESTS or GPU_TESTS in collection_path.parents
        return None if inside else True
    return None


def pytest_collection_finish():
    pass_over()


def pytest_collection_modifyitems(items):
    """Put files that start processes first: two workers then end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)
    missing = what_is_missing() if ON_GPU else ''
    for item in items if missing else ():
        if item.get_closest_marker('gpu'):
            item.add_marker(pytest.mark.skip(reason=missing))
    skip_what_is_not_there(items)


@pytest.hookimpl(trylast=True)  # behind the durations, for those who read the last lines
def pytest_terminal_summary(terminalreporter, config):
    """Say where the tests marked gpu ran: a run with -q -q has no line of counts."""
    if config.option.markexpr == 'gpu':
        place = what_is_missing() if ON_GPU else 'tried on the CPU'
        kinds = ('passed', 'failed', 'error', 'skipped')
        counts = (f'{len(terminalreporter.stats.get(kind, ()))} {kind}' for kind in kinds)
        place = place or torch.cuda.get_device_name()
        terminalreporter.write_line(f'Tests marked gpu: {", ".join(counts)}; {place}')


def build_wheel(folder):
    source = folder / 'source'
    for name in ('ickd_mm', 'configs', 'tools'):
        ignore = shutil.ignore_patterns('.mim', '__pycache__')
        shutil.copytree(REPO / name, source / name, ignore=ignore)
    for name in ('setup.py', 'setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(REPO / name, source)
    shutil.copy(REPO / 'model-index.yml', source)
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation']
    done = subprocess.run([*command, '-w', folder, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


@pytest.fixture(scope='session')
def wheel(tmp_path_factory):
    """The wheel file that pip builds from this tree."""
    return next(shared_folder(tmp_path_factory, 'wheel', build_wheel).glob('*.whl'))


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    """A small copy of the offline data set."""

    def make(folder):
        prepare_digits(folder / 'digits', train=24, val=6, seed=3)

    return shared_folder(tmp_path_factory, 'data', make) / 'digits'


@pytest.fixture
def scope():
    """Build under mmseg's default scope, as a runner does."""
    init_default_scope('mmseg')


def save_teacher(folder):
    init_default_scope('mmseg')
    torch.manual_seed(1)
    teacher = MODELS.build(ConfigDict(_scope_='mmseg', **model_config('pspnet_teacher_digits')))
    teacher.init_weights()
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.save({'meta': {}, 'state_dict': teacher.state_dict()}, folder / 'teacher.pth')


@pytest.fixture(scope='session')
def teacher_file(tmp_path_factory):
    """Weights of the digits teacher, random, with BN statistics that are not the defaults."""
    return str(shared_folder(tmp_path_factory, 'teacher', save_teacher) / 'teacher.pth')


@pytest.fixture
def distiller_cfg(teacher_file):
    """The digits distiller's model config, on random teacher weights."""
    cfg = Config.fromfile(ICKD).model
    cfg.teacher = model_config('pspnet_teacher_digits')
    cfg.teacher_ckpt = teacher_file
    return cfg


@pytest.fixture
def distiller(scope, distiller_cfg):
    torch.manual_seed(0)
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    return model


@pytest.fixture(scope='session')
def distilled(tmp_path_factory, digits, teacher_file):
    """Options and folder of a distillation run of 6 iterations."""
    options = [
        *data_options(digits),
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'default_hooks.checkpoint.interval=3',
        'train_cfg.val_interval=3',
    ]

    def make(folder):
        succeed(train(ICKD, folder, *options, 'train_cfg.max_iters=6'))

    return options, shared_folder(tmp_path_factory, 'distilled', make)
