"""Runs without labels through tools/train.py: from images alone, by one process and by two."""

import re

import pytest
import torch
from mmengine.config import Config, ConfigDict
from support.ranks import run_ranks
from support.repository import ICKD, REPO, STUDENT, TEACHER, data_options, model_config
from support.tools import load, scalars, succeed, train

from ickd_mm.commands.demo.dataset import prepare_digits
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

RECIPE = REPO / 'configs/ickd/pspnet_digits_unlabelled.py'
FEW = REPO / 'configs/baselines/pspnet_student_digits_50labels.py'
SHORT = ('train_cfg.max_iters=4', 'train_cfg.val_interval=4', 'default_hooks.checkpoint.interval=2')
CLASSES = REPO / 'configs/ickd/resnet_digits.py'
TO_CLASSES = REPO / 'configs/baselines/resnet_teacher_digits.py'


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    """The digits' layout, where the training split has no masks at all."""
    root = tmp_path_factory.mktemp('scenes') / 'digits'
    prepare_digits(root, train=50, val=3, seed=3, unlabelled=6)
    return root


@pytest.fixture(scope='module')
def options(scenes, teacher_file):
    teacher = [f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    return [*data_options(scenes), *teacher, 'teacher_val=False']


@pytest.fixture(scope='module')
def pretrained(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp('pretrained')
    return succeed(train(RECIPE, folder, *options, *SHORT)), folder


def test_the_recipe_trains_on_images_alone_and_validates(pretrained):
    done, folder = pretrained
    steps = [row for row in scalars(folder) if 'loss' in row]
    assert len(steps) == 4
    assert all(row['loss'] == row['loss_icc'] > 0 for row in steps)
    assert not any('decode.' in key for row in steps for key in row)
    assert [row['step'] for row in scalars(folder) if 'mIoU' in row] == [4]
    page = (REPO / 'docs/own_model.md').read_text(encoding='utf-8')
    (shown,) = re.findall(r'^Trains without labels.*\n', page, re.M)
    assert shown in done.stdout + done.stderr


def test_its_checkpoints_are_the_plain_students_and_resume(pretrained, options, tmp_path, scope):
    _, folder = pretrained
    flags = ['--resume', folder / 'iter_2.pth']
    succeed(train(RECIPE, tmp_path, *options, *SHORT, flags=flags))
    files = (folder / 'iter_2.pth', tmp_path / 'iter_4.pth')
    assert all(key.startswith('connectors.') for key in load(files[1])['ickd_mm'])
    before, after = (load(file)['state_dict'] for file in files)
    changed = {key for key, value in before.items() if not torch.equal(after[key], value)}
    assert 'backbone.layer4.1.conv2.weight' in changed
    assert not any(key.startswith('decode_head') for key in changed)
    student = MODELS.build(ConfigDict(model_config(STUDENT.stem)))
    student.load_state_dict(after, strict=True)


def test_a_supervised_run_starts_from_it(pretrained, options, tmp_path):
    _, folder = pretrained
    start = f'load_from={folder / "iter_4.pth"}'
    data = [option for option in options if not option.startswith(('model', 'teacher_val'))]
    done = succeed(train(FEW, tmp_path, *data, 'train_cfg.max_iters=1', start,
                         'param_scheduler.0.start_factor=1e-9'))  # fmt: skip
    assert 'Loads checkpoint' in done.stdout + done.stderr
    assert 'not in the checkpoint' not in done.stdout + done.stderr
    before, after = (load(path)['state_dict'] for path in
                     (folder / 'iter_4.pth', tmp_path / 'iter_1.pth'))  # fmt: skip
    assert before.keys() == after.keys()
    for key, value in before.items():
        if key.endswith('weight'):
            torch.testing.assert_close(after[key], value, rtol=0, atol=1e-4, msg=key)


def test_two_processes_need_no_find_unused_parameters(options, tmp_path):
    words = (RECIPE, '--work-dir', tmp_path, '--cfg-options', *options, *SHORT)
    run_ranks('train.py', *words, 'find_unused_parameters=False')
    assert len([row for row in scalars(tmp_path) if 'loss_icc' in row]) == 4
    assert load(tmp_path / 'iter_4.pth')['ickd_mm']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            ['train_dataloader.dataset.data_prefix.img_path=none'],
            r"img_path: no folder '.*none' .*--unlabelled 2000",
        ),
        (['model.pairs.loss_icc.loss.loss_weight=0'], 'loss_weight is 0 in every one of them'),
        (
            ['train_dataloader.dataset.pipeline.2.cat_max_ratio=0.75'],
            "cannot prepare .*KeyError: 'gt_seg_map'; model.supervised=False needs no labels",
        ),
    ],
)
def test_what_is_wrong_is_named(options, changes, message, tmp_path):
    done = train(RECIPE, tmp_path, *options, *SHORT, *changes)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr[-900:]
    assert not list(tmp_path.glob('*.pth'))


def test_masks_that_no_transform_reads_may_be_absent_or_wrong(options, scenes, tmp_path):
    """A config that keeps the masks' folder; and labels outside the classes in a labelled set."""
    absent = [*options, 'train_dataloader.dataset.data_prefix.seg_map_path=none']
    succeed(train(RECIPE, tmp_path / 'absent', *absent, *SHORT))
    wrong = [
        *options,
        'model.supervised=False',
        "train_dataloader.dataset.metainfo.classes=['a','b']",
        'train_dataloader.dataset.metainfo.palette=[[0,0,0],[9,9,9]]',
        'model.student.decode_head.num_classes=2',
    ]
    succeed(train(ICKD, tmp_path / 'wrong', *wrong, *SHORT))
    refused = train(ICKD, tmp_path / 'with', *wrong, *SHORT, 'model.supervised=True')
    assert refused.returncode != 0
    assert 'outside the 2 classes' in refused.stderr


def test_a_classifier_learns_from_a_flat_folder(scenes, tmp_path):
    """mmpretrain's CustomDataset(with_label=False), mixup in the preprocessor included."""
    teacher = MODELS.build(ConfigDict(Config.fromfile(TO_CLASSES).model, _scope_='mmpretrain'))
    torch.save(dict(state_dict=teacher.state_dict()), tmp_path / 'teacher.pth')
    config = tmp_path / 'flat.py'
    config.write_text(f"""
_base_ = {str(CLASSES)!r}
model = dict(
    supervised=False,
    teacher={str(TO_CLASSES)!r},
    teacher_ckpt={str(tmp_path / 'teacher.pth')!r},
    student=dict(train_cfg=dict(augments=dict(type='Mixup', alpha=0.8))),
)
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root={str(scenes)!r},
        data_prefix='unlabelled',
        with_label=False,
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')],
    ),
)
""")
    data = [
        f'{part}_dataloader.dataset.data_root={scenes / "imagenet"}' for part in ('val', 'test')
    ]
    data += ['val_dataloader.dataset.indices=30', 'teacher_val=False', *SHORT]
    done = succeed(train(config, tmp_path / 'run', *data, 'default_hooks.logger.interval=1'))
    steps = [row for row in scalars(tmp_path / 'run') if 'loss' in row]
    assert [row['loss'] == row['loss_icc'] > 0 for row in steps] == [True] * 4
    assert 'not trained: head' in done.stdout + done.stderr
    assert any('accuracy/top1' in row for row in scalars(tmp_path / 'run'))
