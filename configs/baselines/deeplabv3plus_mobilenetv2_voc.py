_base_ = [
    '../_base_/models/deeplabv3plus_os16.py',
    '../_base_/datasets/voc12aug_513.py',
    '../_base_/schedules/voc_50epochs.py',
    'mmseg::_base_/default_runtime.py',
]
model = dict(
    pretrained='mmcls://mobilenet_v2',
    backbone=dict(
        type='MobileNetV2',
        strides=(1, 2, 2, 2, 1, 1, 1),
        dilations=(1, 1, 1, 1, 1, 1, 2),
        out_indices=(1, 2, 4, 6),
    ),
    decode_head=dict(in_channels=320, c1_in_channels=24),
)
