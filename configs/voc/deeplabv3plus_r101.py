# The teacher of clovaai/overhaul-distillation: output stride 16, no auxiliary head, 256 channels.
# Its ASPP is a plain one; here it is mmseg's, whose 3x3 convolutions are separable.
_base_ = [
    'mmseg::_base_/models/deeplabv3plus_r50-d8.py', '../_base_/datasets/voc12aug_513.py',
    '../_base_/schedules/voc_50epochs.py', 'mmseg::_base_/default_runtime.py'
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    pretrained='open-mmlab://resnet101_v1c',
    backbone=dict(
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        contract_dilation=False,
        multi_grid=(2, 4, 8)),
    decode_head=dict(channels=256, dilations=(1, 6, 12, 18), num_classes=21),
    auxiliary_head=None)
