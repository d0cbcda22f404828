"""Small models of several libraries, as teachers without a preprocessor and as whole students."""

from importlib.util import find_spec

import pytest

from support.repository import model_config

SEGMENTER = model_config('pspnet_student_digits')
CLASSIFIER = dict(model_config('resnet_student_digits'), _scope_='mmpretrain')
TIMM_CLASSIFIER = dict(type='mmpretrain.TimmClassifier', model_name='resnet18', num_classes=10)
RETINANET = dict(
    _scope_='mmdet',
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[9.0] * 3, std=[255.0] * 3),
    backbone=dict(type='ResNet', depth=18, base_channels=8, frozen_stages=-1),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], start_level=1, out_channels=16, num_outs=5),
    bbox_head=dict(
        type='RetinaHead',
        num_classes=3,
        in_channels=16,
        stacked_convs=1,
        feat_channels=16,
        anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1,
                              ratios=[1.0], strides=[8, 16, 32, 64, 128]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss'),
        loss_bbox=dict(type='L1Loss'),
    ),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4),
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
    ),
)  # fmt: skip


def bare(model, **more):
    """A model without its preprocessor."""
    return {key: value for key, value in model.items() if key != 'data_preprocessor'} | more


# A model, and what of it is tapped.
TEACHERS = {
    'mmseg': (bare(SEGMENTER, _scope_='mmseg'), 'backbone.layer4'),
    'mmpretrain': (bare(CLASSIFIER), 'backbone.layer4'),
    'mmdet': (bare(RETINANET), 'neck[0]'),
    'timm': (TIMM_CLASSIFIER, 'model.layer4'),
}
# A config, what to change in it, and what of its model is tapped.
DETR = """
attention = dict(embed_dims=32, num_heads=2, batch_first=True)
ffn = dict(embed_dims=32, feedforward_channels=32)
layers = dict(self_attn_cfg=attention, ffn_cfg=ffn)
image_size = 64
student = _base_.model
student.num_queries = student.test_cfg.max_per_img = 10
student.backbone.update(depth=18, base_channels=8, init_cfg=None)
student.neck.update(in_channels=[64], out_channels=32)
student.encoder = dict(num_layers=1, layer_cfg=layers)
student.decoder = dict(num_layers=1, layer_cfg=dict(layers, cross_attn_cfg=attention),
                       return_intermediate=True)
student.positional_encoding.num_feats = 16
student.bbox_head.update(num_classes=2, embed_dims=32)
classes = dict(classes=('person', 'bicycle'))
train_dataloader = dict(dataset=dict(metainfo=classes, pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(image_size, image_size)),
    dict(type='PackDetInputs'),
]))
val_dataloader = test_dataloader = dict(dataset=dict(metainfo=classes))
"""
TIMM = f"""
image_size = 32
student = dict({bare(TIMM_CLASSIFIER)!r}, data_preprocessor=_base_.model.data_preprocessor)
"""
STUDENTS = {
    'mmseg': (
        'ickd_mm::baselines/pspnet_student_digits.py',
        'student = _base_.model\nimage_size = 64\n',
        'backbone.layer4',
    ),
    'mmpretrain': (
        'ickd_mm::baselines/resnet_student_digits.py',
        'student = _base_.model\nimage_size = 32\n',
        'backbone.layer4',
    ),
    'mmdet': ('mmdet::detr/detr_r50_8xb2-150e_coco.py', DETR, 'encoder:map'),
    'timm': ('ickd_mm::baselines/resnet_student_digits.py', TIMM, 'model.layer4'),
}
DISTILLER = """
custom_imports = dict(imports=['ickd_mm'])
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student=student,
    input_size=image_size,
    teacher={teacher!r},
    teacher_ckpt='teacher.pth',
    pairs=dict(
        loss_icc=dict(
            student={ours!r},
            teacher={theirs!r},
            connector=dict(type='ickd_mm.ConvConnector'),
            loss=dict(type='ickd_mm.ICKDLoss'),
        )
    ),
)
"""


def installed(*libraries):
    """Tell whether all of some libraries are here."""
    return all(find_spec(library) for library in libraries)


def needs(*libraries):
    """Skip where one of some libraries is missing."""
    missing = [library for library in libraries if not installed(library)]
    return pytest.mark.skipif(bool(missing), reason=f'not installed: {", ".join(missing)}')


def config_of(student, teacher):
    """The base and the further text of a config that distils one library's model into another's."""
    base, text, ours = STUDENTS[student]
    model, theirs = TEACHERS[teacher]
    return base, text + DISTILLER.format(teacher=model, ours=ours, theirs=theirs)
