_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ickd_mm.CIFARShuffleNetV2', widen_factor=1.0),
    head=dict(in_channels=1024))
optim_wrapper = dict(optimizer=dict(lr=0.01))
