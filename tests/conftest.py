"""What several tests need: small data, small models, the real tools."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

import ickd_mm  # noqa: F401
from ickd_mm.demo.dataset import prepare_digits
from ickd_mm.registry import MODELS

REPO = Path(__file__).resolve().parent.parent


def run_tool(script, *args, cwd=REPO, env=None, timeout=300):
    """Run a command-line tool in a process of its own, as a user does."""
    command = [sys.executable, str(script), *map(str, args)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '2', **(env or {})}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )


@pytest.fixture(scope='session')
def digits(tmp_path_factory):
    """A small copy of the offline data set."""
    root = tmp_path_factory.mktemp('data') / 'digits'
    prepare_digits(root, train=24, val=6, seed=3)
    return root


def model_config(name):
    return Config.fromfile(REPO / 'configs' / 'digits' / f'{name}.py').model


@pytest.fixture
def scope():
    """Build under mmseg's default scope, as a runner does."""
    init_default_scope('mmseg')


@pytest.fixture(scope='session')
def teacher_file(tmp_path_factory):
    """Weights of the digits teacher, random, with BN statistics that are not the defaults."""
    init_default_scope('mmseg')
    torch.manual_seed(1)
    teacher = MODELS.build(ConfigDict(_scope_='mmseg', **model_config('pspnet_r18_teacher')))
    teacher.init_weights()
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.pth'
    torch.save({'meta': {}, 'state_dict': teacher.state_dict()}, path)
    return str(path)


@pytest.fixture
def distiller_cfg(teacher_file):
    """The digits distiller's model config, on random teacher weights."""
    cfg = Config.fromfile(REPO / 'configs/digits/ickd/pspnet_r18_ickd.py').model
    cfg.teacher = model_config('pspnet_r18_teacher')
    cfg.teacher_ckpt = teacher_file
    return cfg


@pytest.fixture
def distiller(scope, distiller_cfg):
    torch.manual_seed(0)
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    return model


def batch(n=2, size=64, classes=11):
    """Random images and labels as mmseg's data loader hands them to a model."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(n + size)
    samples = []
    for _ in range(n):
        labels = torch.randint(0, classes, (1, size, size), generator=generator)
        sample = SegDataSample(metainfo=dict(img_shape=(size, size), ori_shape=(size, size)))
        samples.append(sample.set_data(dict(gt_sem_seg=PixelData(data=labels))) or sample)
    images = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)
