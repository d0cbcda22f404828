_base_ = [
    '../_base_/models/deeplabv3plus_os16.py',
    '../_base_/datasets/voc12aug_513.py',
    '../_base_/schedules/voc_50epochs.py',
    'mmseg::_base_/default_runtime.py',
]
model = dict(
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(type='ResNetV1c', depth=18, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
    decode_head=dict(in_channels=512, c1_in_channels=64),
)
