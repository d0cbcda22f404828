"""New-style configs, whose types are classes and which name no default scope, through the tools."""

import pytest
import torch
from mmengine.config import Config
from support.forking import train
from support.repository import ICKD, REPO
from support.tools import load, run_tool, scalars, succeed

from ickd_mm.preflight.model_source import ModelSource

pytestmark = pytest.mark.slow

STUDENT = """
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.optim import OptimWrapper, PolyLR
from mmengine.runner import IterBasedTrainLoop, TestLoop, ValLoop
from mmseg.datasets import BaseSegDataset, LoadAnnotations, PackSegInputs, RandomCrop
from mmseg.evaluation import IoUMetric
from mmseg.models import CrossEntropyLoss, EncoderDecoder, FCNHead, ResNetV1c, SegDataPreProcessor
from torch.optim import SGD

metainfo = dict(classes=[str(n) for n in range(11)], palette=[[n, n, n] for n in range(11)])
files = dict(
    type=BaseSegDataset, data_root={root!r}, metainfo=metainfo,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    ann_file='ImageSets/Segmentation/val.txt')
reading = [dict(type=LoadImageFromFile), dict(type=LoadAnnotations)]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(files, pipeline=[
        *reading, dict(type=RandomCrop, crop_size=(48, 48)), dict(type=PackSegInputs)]))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(files, pipeline=[*reading, dict(type=PackSegInputs)]))
test_dataloader = val_dataloader
val_evaluator = dict(type=IoUMetric)
test_evaluator = val_evaluator
model = dict(
    type=EncoderDecoder,
    data_preprocessor=dict(type=SegDataPreProcessor, mean=[127] * 3, std=[60] * 3,
                           size=(48, 48), seg_pad_val=255),
    backbone=dict(type=ResNetV1c, depth=18, stem_channels=4, base_channels=4,
                  norm_cfg=dict(type='BN')),
    decode_head=dict(type=FCNHead, in_channels=32, in_index=3, channels=8, num_convs=1,
                     num_classes=11, norm_cfg=dict(type='BN'),
                     loss_decode=dict(type=CrossEntropyLoss)),
    test_cfg=dict(mode='whole'))
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
param_scheduler = [dict(type=PolyLR, by_epoch=False)]
train_cfg = dict(type=IterBasedTrainLoop, max_iters=2, val_interval=2)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
default_hooks = dict(
    logger=dict(type=LoggerHook, interval=1),
    checkpoint=dict(type=CheckpointHook, by_epoch=False, interval=2))
"""
DISTILLED = """
from mmengine.config import read_base

with read_base():
    from .student import *

from ickd_mm import ConvConnector, FeatureDistiller, ICKDLoss

model = dict(
    type=FeatureDistiller,
    student=model,
    teacher='student.py',
    teacher_ckpt='teacher.pth',
    pairs=dict(loss_icc=dict(
        student='backbone.layer4', teacher='backbone.layer4',
        connector=dict(type=ConvConnector), loss=dict(type=ICKDLoss, grid=2))))
"""
HEIR = """
from mmengine.config import read_base

with read_base():
    from ickd_mm.configs.{module} import *

from ickd_mm import ICKDLoss

model.update(teacher_ckpt={teacher!r})
model.pairs.loss_icc.loss.update(type=ICKDLoss, grid=4)
train_cfg.update(max_iters=2, val_interval=2)
default_hooks.logger.interval = 1
"""
# Old style: what is new style in it is named by its path.
MIXED = """
_base_ = {recipe!r}
model = dict(student='student.py', teacher='student.py', teacher_ckpt='teacher.pth')
model['pairs'] = dict(loss_icc=dict(loss=dict(grid=1)))
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture
def folder(tmp_path, digits, monkeypatch):
    """A folder with a new-style student and the same network as its teacher."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'student.py').write_text(STUDENT.format(root=str(digits)))
    teacher = ModelSource.read('student.py', 'teacher').build('teacher')
    torch.save(dict(state_dict=teacher.state_dict()), 'teacher.pth')
    return tmp_path


def distil(folder, text, *flags):
    (folder / 'distilled.py').write_text(text)
    succeed(train('distilled.py', folder / 'run', 'work_dir=run', flags=flags, cwd=folder))
    losses = [line['loss_icc'] for line in scalars(folder / 'run') if 'loss_icc' in line]
    assert len(losses) == 2
    assert min(losses) > 0
    assert any('mIoU' in line for line in scalars(folder / 'run'))
    written = load(folder / 'run/iter_2.pth')
    assert not any('teacher' in key for key in written['state_dict'])
    assert 'ickd_mm' not in written['meta']['cfg']
    plain = Config.fromstring(written['meta']['cfg'], '.py')
    ModelSource.read(plain.model, 'student').build('student').load_state_dict(written['state_dict'])


def test_everything_in_the_new_style(folder):
    distil(folder, DISTILLED)
    arguments = ('--work-dir', 'test', '--out', 'out', '--show-dir', 'show')
    for which in (('run/iter_2.pth',), ('--teacher',)):
        tool = REPO / 'tools/test.py'
        done = run_tool(tool, 'distilled.py', *which, *arguments, cwd=folder)
        assert 'mIoU' in succeed(done).stdout
    assert len(list(folder.glob('out/*.png'))) == 6
    assert len(list(folder.glob('show/**/test_val_*.png'))) == 6


def test_an_old_style_recipe_in_the_new_style(folder, digits, teacher_file):
    module = '.'.join(ICKD.relative_to(REPO / 'configs').with_suffix('').parts)
    distil(folder, HEIR.format(module=module, teacher=teacher_file), '--data-root', digits)


def test_a_new_style_student_in_an_old_style_recipe(folder, digits):
    distil(folder, MIXED.format(recipe=str(ICKD)), '--data-root', digits)
