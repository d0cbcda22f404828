"""Detectors of mmdet as students and as teachers, by taps in backbone, neck and encoder."""

import copy

import pytest
import torch

pytest.importorskip('mmdet', reason='mmdet is not installed: it comes with STACK=onedl')

from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from support.libraries import RETINANET

from ickd_mm.commands.benchmark.batches import random_batch
from ickd_mm.commands.benchmark.steps import Steps
from ickd_mm.features.dry_run import image_channels
from ickd_mm.features.taps import Capture
from ickd_mm.registry import MODELS
from ickd_mm.runtime.before_training import check_proposals, check_suppression
from ickd_mm.runtime.stack import missing_operator

FILES = {
    'RetinaNet': 'retinanet/retinanet_r18_fpn_1x_coco.py',
    'Faster R-CNN': 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'Mask R-CNN': 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'FCOS': 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
    'RTMDet': 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'YOLOX': 'yolox/yolox_tiny_8xb8-300e_coco.py',
    'DETR': 'detr/detr_r50_8xb2-150e_coco.py',
}
TWO_STAGES = ('Faster R-CNN', 'Mask R-CNN')
SIZE = (64, 96)
# Student, its tap, teacher, its tap. RetinaNet as a teacher is in the recipe.
PAIRS = [
    ('RetinaNet', 'neck[0]', 'Faster R-CNN', 'neck[1]'),
    ('FCOS', 'backbone.layer4', 'Mask R-CNN', 'backbone.layer4'),
    ('RTMDet', 'backbone[2]', 'YOLOX', 'neck[0]'),
    ('YOLOX', 'neck[0]', 'RTMDet', 'neck[0]'),
    ('DETR', 'encoder:map', 'FCOS', 'neck[2]'),
    ('Mask R-CNN', 'neck[0]', 'DETR', 'encoder:map'),
]


def detector(name):
    """mmdet's own model with the fewest layers that it has."""
    cfg = get_config(f'mmdet::{FILES[name]}')
    model = cfg.model
    model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model.data_preprocessor.pop('batch_augments', None)
    if 'depth' in model.backbone:
        wide = len(model.neck.in_channels) > 1
        model.backbone.update(depth=18, style='pytorch')
        model.neck.in_channels = [64, 128, 256, 512] if wide else [512]
    else:
        model.backbone.widen_factor = 0.125
        channels, model.neck.out_channels = [32, 64, 128], 32
        model.neck.in_channels = channels
        model.bbox_head.update(in_channels=32, feat_channels=32)
    if name == 'DETR':
        model.encoder.num_layers = model.decoder.num_layers = 1
    model.backbone.init_cfg = None
    return model


def config(student, ours, teacher, theirs, folder, **more):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    teacher = ConfigDict(teacher, _scope_='mmdet')
    torch.save(MODELS.build(copy.deepcopy(teacher)).state_dict(), folder / 'teacher.pth')
    pair = dict(student=ours, teacher=theirs, connector=dict(type='ickd_mm.ConvConnector'))
    pair['loss'] = dict(type='ickd_mm.ICKDLoss')
    model = dict(type='ickd_mm.FeatureDistiller', student=student, teacher=teacher, **more)
    model.update(teacher_ckpt=str(folder / 'teacher.pth'), pairs=dict(loss_icc=pair))
    steps = [dict(type='LoadAnnotations', with_mask='roi_head' in student)]
    loader = dict(batch_size=2, dataset=dict(pipeline=steps))
    optimizer = dict(optimizer=dict(type='SGD', lr=1e-4))
    cfg = dict(model=dict(model, input_size=SIZE), default_scope='mmdet', train_dataloader=loader)
    return Config(dict(cfg, optim_wrapper=dict(type='OptimWrapper', **optimizer)))


def build(*args, **more):
    cfg = config(*args, **more)
    return MODELS.build(cfg.model).train(), random_batch(cfg, 2, SIZE)


@pytest.mark.parametrize(('student', 'ours', 'teacher', 'theirs'), PAIRS)
def test_two_iterations(student, ours, teacher, theirs, tmp_path):
    """Two stages train with labels where mmcv has its operators, else by their pairs alone."""
    missing = missing_operator('batched_nms') if student in TWO_STAGES else ''
    taught = detector(student), ours, detector(teacher), theirs, tmp_path
    model, data = build(*taught, supervised=not missing)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 1e-4))
    weight = next(p for p in model.backbone.parameters() if p.requires_grad)
    before = weight.detach().clone()
    for _ in range(2):
        logs = model.train_step(copy.deepcopy(data), wrapper)
    assert logs['loss_icc'] > 0
    assert all(value.isfinite() for value in logs.values())
    assert missing or len(logs) > 2
    assert not torch.equal(weight, before)
    if missing:
        with pytest.raises(RuntimeError, match=r'batched_nms needs compiled .*docs/install.md'):
            model.student(**model.data_preprocessor(data, True), mode='loss')


def test_the_real_samples_reach_an_encoder_and_its_step_can_be_timed(tmp_path):
    """DETR masks what the samples say is padding; the plain teacher gets samples too."""
    cfg = config(detector('YOLOX'), 'neck[0]', detector('DETR'), 'encoder:map', tmp_path)
    steps = Steps(cfg, 'cpu', torch.contiguous_format)
    steps.floor()
    for part in steps.parts().values():
        part()
    assert steps.feature_error() < 1e-4

    data, teacher = steps.batch, steps.distiller.teacher
    data['data_samples'][0].set_metainfo(dict(img_shape=(64, 64)))
    data['inputs'][0] = data['inputs'][0][:, :, :64]
    made = steps.distiller.data_preprocessor(data, True)
    (ours,) = teacher(made['inputs'], made['data_samples']).values()
    (blind,) = teacher(made['inputs']).values()
    images, samples = teacher.taken(made['inputs'], made['data_samples'])
    with torch.no_grad(), Capture(steps.teacher, teacher.taps, 'teacher') as seen:
        steps.teacher(images, *samples, mode='tensor')
    torch.testing.assert_close(ours, seen[teacher.taps[0]], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(ours[0], blind[0], rtol=1e-2)
    torch.testing.assert_close(ours[1], blind[1])


def test_what_cannot_predict_here_is_refused():
    init_default_scope('mmdet')
    retinanet, detr = (MODELS.build(detector(name)) for name in ('RetinaNet', 'DETR'))
    check_suppression(detr)
    if missing_operator('batched_nms'):
        with pytest.raises(RuntimeError, match=r'RetinaNet.test_cfg has nms.*batched_nms.*None$'):
            check_suppression(retinanet)


def test_two_stages_without_operators_are_refused_where_they_train_on_labels():
    init_default_scope('mmdet')
    model = MODELS.build(detector('Faster R-CNN'))
    if missing_operator('batched_nms'):
        with pytest.raises(RuntimeError, match=r'FasterRCNN cannot train on labels.*supervised=F'):
            check_proposals(model)
    model.supervised = False
    check_proposals(model)


def test_a_detector_learns_from_a_folder_of_images(tmp_path):
    """By a data set of another library: mmdet has none for a folder."""
    (tmp_path / 'images').mkdir()
    for n in range(2):
        Image.new('RGB', (96, 64), (9, n, 99)).save(tmp_path / f'images/{n}.jpg')
    taught = dict(RETINANET), 'backbone.layer4', RETINANET, 'backbone.layer4', tmp_path
    model, _ = build(*taught, supervised=False)
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackDetInputs')]
    common = dict(data_root=str(tmp_path), pipeline=pipeline)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 1e-4))
    for own in (
        dict(type='mmseg.BaseSegDataset', data_prefix=dict(img_path='images')),
        dict(type='mmpretrain.CustomDataset', data_prefix='images', with_label=False),
    ):
        data = DATASETS.build(dict(own, **common))
        logs = model.train_step(pseudo_collate([data[0], data[1]]), wrapper)
        assert logs.keys() == {'loss', 'loss_icc'}


def test_a_stem_of_pixels_is_not_taken_for_channels():
    init_default_scope('mmdet')
    assert image_channels(MODELS.build(detector('YOLOX'))) == 3
