"""Distil many segmentation architectures for two iterations each, and print what came of it.

    PYTHONPATH=tests python -m support.try_students [NAME ...]

Each student is a model of mmseg's own ``_base_/models`` (or of the config named), narrower where it
is large. ``tools/train.py`` trains it on the digits, and plain mmseg loads its checkpoint.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

from ickd_mm.commands.demo.dataset import prepare_digits
from ickd_mm.registry import MODELS
from support.repository import ICKD, REPO, TEACHER, data_options
from support.tools import load, scalars, train

CLASSES, SIZE = 11, (64, 64)
PSPNET = 'backbone.layer4'
EDGES = """
train_pipeline = _base_.train_pipeline
train_pipeline.insert(-1, dict(type='GenerateEdge', edge_width=4))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""
VIT = {
    'backbone.img_size': SIZE, 'backbone.embed_dims': 48, 'backbone.num_layers': 4,
    'backbone.num_heads': 3,
}  # fmt: skip


@dataclass(frozen=True)
class Student:
    """A student: its config in mmseg, what to tap, what to change to make it small.

    ``teacher`` is None for the digits' PSPNet, or another student's name, with random weights.
    """

    config: str
    tap: str
    changes: dict = field(default_factory=dict)
    teacher: str | None = None
    text: str = ''


STUDENTS = {
    'PSPNet R50': Student('pspnet_r50-d8', 'backbone.layer4', teacher='SegFormer B0'),
    'DeepLabV3+ R50': Student('deeplabv3plus_r50-d8', 'backbone.layer4', teacher='UPerNet Swin'),
    'FCN HRNet-W18': Student('fcn_hr18', 'backbone[3]'),
    'OCRNet HRNet-W18': Student('ocrnet_hr18', 'decode_head.1.bottleneck'),
    'UPerNet Swin': Student('upernet_swin', 'backbone[3]', {
        'backbone.embed_dims': 24, 'backbone.depths': (1, 1, 1, 1),
        'decode_head.in_channels': [24, 48, 96, 192], 'decode_head.channels': 32,
        'auxiliary_head.in_channels': 96}),
    'UPerNet ConvNeXt': Student('upernet_convnext', 'backbone[3]', {
        'backbone.arch': dict(_delete_=True, depths=[1, 1, 1, 1], channels=[16, 32, 64, 128]),
        'decode_head.in_channels': [16, 32, 64, 128], 'decode_head.channels': 32,
        'auxiliary_head.in_channels': 64}, teacher='FCN HRNet-W18'),
    'UPerNet Twins': Student('twins_pcpvt-s_upernet', 'backbone[3]', {'decode_head.channels': 32}),
    'UPerNet BEiT': Student('upernet_beit', 'backbone[3]', {
        **VIT, 'backbone.out_indices': (0, 1, 2, 3), 'neck.embed_dim': 48,
        'decode_head.in_channels': [48] * 4, 'decode_head.channels': 32,
        'auxiliary_head.in_channels': 48}),
    'Semantic FPN PoolFormer': Student('fpn_poolformer_s12', 'neck[0]', {
        'neck.in_channels': [64, 128, 320, 512]}),
    'SegFormer B0': Student('segformer_mit-b0', 'backbone[3]'),
    'SegNeXt-T': Student('segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512',
                         'backbone[3]'),
    'SETR-PUP': Student('setr_pup', 'backbone[3]', {
        **VIT, 'backbone.out_indices': (0, 1, 2, 3), 'decode_head.in_channels': 48,
        **{f'auxiliary_head.{n}.in_channels': 48 for n in range(3)}}),
    'DPT': Student('dpt_vit-b16', 'backbone[3][0]', {
        **VIT, 'backbone.out_indices': (0, 1, 2, 3), 'decode_head.embed_dims': 48,
        'decode_head.in_channels': [48] * 4, 'decode_head.channels': 32,
        'decode_head.post_process_channels': [12, 24, 48, 96]}),
    'Segmenter': Student('segmenter_vit-b16_mask', 'backbone[0]', {
        **VIT, 'decode_head.in_channels': 48, 'decode_head.channels': 48,
        'decode_head.embed_dims': 48, 'decode_head.num_heads': 3, 'test_cfg': dict(mode='whole')}),
    'BiSeNetV1': Student('bisenetv1_r18-d32', 'backbone[0]'),
    'BiSeNetV2': Student('bisenetv2', 'backbone[0]'),
    'DDRNet-23-slim': Student('ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024',
                              'backbone[1]'),
    'PIDNet-S': Student('pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes', 'backbone[1]',
                        text=EDGES),
    'STDC1': Student('stdc', 'backbone[3]'),
    'Fast-SCNN': Student('fast_scnn', 'backbone[2]'),
    'ICNet R50': Student('icnet_r50-d8', 'neck[2]'),
    'FCN MobileNetV3': Student('lraspp_m-v3-d8', 'backbone[2]', {  # LR-ASPP wants larger images
        'decode_head': dict(_delete_=True, type='FCNHead', in_channels=960, in_index=2, channels=32,
                            num_convs=1, num_classes=CLASSES)}),
    'ERFNet': Student('erfnet_fcn', 'backbone[0]'),
    'UNet': Student('fcn_unet_s5-d16', 'backbone[4]', {
        'backbone.base_channels': 8, 'decode_head.in_channels': 8,
        'auxiliary_head.in_channels': 16, 'test_cfg': dict(mode='whole')}),
    'CGNet': Student('cgnet', 'backbone[2]'),
    'PointRend R50': Student('pointrend_r50', 'backbone.layer4'),
    'CCNet R50': Student('ccnet_r50-d8', 'backbone.layer4'),
    'PSANet R50': Student('psanet_r50-d8', 'backbone.layer4'),
}  # fmt: skip
DROPPED = ('pretrained', 'init_cfg', 'class_weight', 'checkpoint_file')


def for_digits(value):
    """Make a model's config fit the digits: eleven classes, plain batch norm, no downloads."""
    if isinstance(value, (list, tuple)):
        return type(value)(for_digits(item) for item in value)
    if not isinstance(value, dict):
        return value
    made = {key: for_digits(item) for key, item in value.items() if key not in DROPPED}
    if made.get('type') == 'SyncBN':
        made['type'] = 'BN'
    if 'num_classes' in made and made.get('type') != 'STDCHead':  # that one has edges and the rest
        made['num_classes'] = CLASSES
    return made


def model_config(name):
    """Return the config of a student's model."""
    student = STUDENTS[name]
    folder = '' if '/' in student.config else '_base_/models/'
    cfg = get_config(f'mmseg::{folder}{student.config}.py')
    cfg.merge_from_dict({f'model.{key}': value for key, value in student.changes.items()})
    made = for_digits(cfg.model.to_dict())
    made['data_preprocessor'].update(size=SIZE)
    return made


def write_config(name, folder):
    """Write the distiller's config, with a teacher whose weights are in ``folder``."""
    student = STUDENTS[name]
    teacher, weights, tap = TEACHER, REPO / 'weights/pspnet_teacher_digits.safetensors', PSPNET
    if student.teacher is not None:
        teacher, weights = model_config(student.teacher), folder / 'teacher.pth'
        tap = STUDENTS[student.teacher].tap
        torch.save(MODELS.build(ConfigDict(teacher)).state_dict(), weights)
    pair = dict(
        student=student.tap,
        teacher=tap,
        connector=dict(type='ickd_mm.ConvConnector'),
        loss=dict(type='ickd_mm.ICKDLoss', grid=2),
    )
    model = dict(
        _delete_=True,
        type='ickd_mm.FeatureDistiller',
        student=model_config(name),
        teacher=teacher if isinstance(teacher, dict) else str(teacher),
        teacher_ckpt=str(weights),
        pairs=dict(loss_icc=pair),
    )
    file = folder / 'distilled.py'
    file.write_text(f'_base_ = {str(ICKD)!r}\nmodel = {model!r}\n{student.text}')
    return file


def try_student(name, digits, folder):
    """Train a student and load its checkpoint as plain mmseg does; return what came of it."""
    from mmseg.apis import init_model  # not before ickd_mm, which closes the stack's gaps

    folder.mkdir()
    options = [
        *data_options(digits),
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=100',
        'default_hooks.checkpoint.interval=2',
        'teacher_val=False',
    ]
    config = write_config(name, folder)
    done = train(config, folder, *options)
    if done.returncode:
        return 'fails: ' + done.stdout.strip().splitlines()[-1]
    losses = [row['loss_icc'] for row in scalars(folder) if 'loss_icc' in row]
    file = folder / 'iter_2.pth'
    with redirect_stdout(StringIO()):
        plain = init_model(Config(dict(model=model_config(name))), str(file), device='cpu')
    assert plain.state_dict().keys() == load(file)['state_dict'].keys()
    assert len(losses) == 2
    return f'trains (loss_icc {losses[0]:.3f}, {losses[1]:.3f}), loads'


def main(names):
    """Try the students named, or all; print a row for each as soon as it is known."""
    init_default_scope('mmseg')
    print('| student | tap | teacher | result |')
    print('|---|---|---|---|', flush=True)
    with TemporaryDirectory() as made:
        prepare_digits(Path(made, 'digits'), train=8, val=4, seed=0)
        for number, name in enumerate(names or STUDENTS):
            try:
                result = try_student(name, Path(made, 'digits'), Path(made, str(number)))
            except Exception as error:
                result = f'fails: {type(error).__name__}: {error}'
            teacher = STUDENTS[name].teacher or 'PSPNet R18'
            print(f'| {name} | `{STUDENTS[name].tap}` | {teacher} | {result} |', flush=True)


if __name__ == '__main__':
    main(sys.argv[1:])
