_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ickd_mm.CIFARResNet', depth=56),
    head=dict(in_channels=64))
