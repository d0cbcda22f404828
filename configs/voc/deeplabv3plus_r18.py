_base_ = './deeplabv3plus_r101.py'
model = dict(
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(depth=18, multi_grid=None),
    decode_head=dict(in_channels=512, c1_in_channels=64))
