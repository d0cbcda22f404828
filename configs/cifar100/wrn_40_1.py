_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ickd_mm.CIFARWideResNet', depth=40, widen_factor=1),
    head=dict(in_channels=64))
