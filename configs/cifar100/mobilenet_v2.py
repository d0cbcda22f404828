_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ickd_mm.CIFARMobileNetV2', widen_factor=0.5),
    head=dict(in_channels=1280))
optim_wrapper = dict(optimizer=dict(lr=0.01))
