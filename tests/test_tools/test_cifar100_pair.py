"""A CIFAR-100 pair through the tools, on a few images in CIFAR's own file format."""

import os
import pickle

import mmpretrain
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from support.repository import REPO, kl_options
from support.tools import load, run_tool, scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

CONFIGS = REPO / 'configs'
# The published files are known by their MD5 sums, which these images do not have.
DATASET = """
from mmpretrain.datasets import CIFAR100
from mmpretrain.registry import DATASETS

@DATASETS.register_module()
class TinyCIFAR100(CIFAR100):
    train_list = [['train', None]]
    test_list = [['test', None]]
"""
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['ickd_mm', 'tiny_cifar'])
_loader = dict(num_workers=0, persistent_workers=False, batch_size=8,
               dataset=dict(type='TinyCIFAR100', data_root={root!r}))
train_dataloader = _loader
val_dataloader = _loader
test_dataloader = _loader
model = dict(teacher={teacher!r}, teacher_ckpt={ckpt!r})
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
"""


@pytest.fixture
def config(tmp_path):
    """WRN-40-2 -> WRN-16-2 on 24 images, the teacher's weights random."""
    rng = np.random.default_rng(0)
    folder = tmp_path / 'data/cifar-100-python'
    folder.mkdir(parents=True)
    for split, count in (('train', 24), ('test', 8)):
        images = rng.integers(0, 256, (count, 3 * 32 * 32), np.uint8)
        labels = rng.integers(0, 100, count).tolist()
        (folder / split).write_bytes(pickle.dumps(dict(data=images, fine_labels=labels)))
    (tmp_path / 'tiny_cifar.py').write_text(DATASET)
    teacher = CONFIGS / 'baselines/wrn_40_2_cifar100.py'
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(_scope_='mmpretrain', **Config.fromfile(teacher).model))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'wrn_40_2.pth')
    file = tmp_path / 'tiny.py'
    file.write_text(
        CONFIG.format(
            base=str(CONFIGS / 'ickd/wrn_40_2_wrn_16_2_cifar100.py'),
            root=str(tmp_path / 'data'),
            teacher=str(teacher),
            ckpt=str(tmp_path / 'wrn_40_2.pth'),
        )
    )
    return file


def test_a_pair_with_kl_trains_and_leaves_a_plain_student(config, tmp_path):
    env = dict(PYTHONPATH=os.pathsep.join([str(tmp_path), str(REPO)]))
    options = ('randomness.seed=0', *kl_options())
    done = succeed(train(config, tmp_path / 'run', *options, env=env))
    assert '(N, 128, 8, 8)' in done.stdout + done.stderr
    steps = [s for s in scalars(tmp_path / 'run') if 'loss_icc' in s]
    assert len(steps) == 3
    for step in steps:
        assert step['loss_icc'] > 0
        assert step['loss_kl'] > 0
        assert step['lr'] == 0.05
    assert any('accuracy/top1' in s for s in scalars(tmp_path / 'run'))

    file = tmp_path / 'run/epoch_1.pth'
    student = CONFIGS / 'baselines/wrn_16_2_cifar100.py'
    plain = MODELS.build(ConfigDict(_scope_='mmpretrain', **Config.fromfile(student).model))
    plain.load_state_dict(load(file)['state_dict'], strict=True)
    model = mmpretrain.get_model(str(student), pretrained=str(file), device='cpu')
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images), plain.eval()(images))

    tool = REPO / 'tools/test.py'
    done = succeed(run_tool(tool, config, '--teacher', '--work-dir', tmp_path / 'test', env=env))
    assert 'accuracy/top5' in done.stdout + done.stderr
