_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ickd_mm.CIFARShuffleNetV1'),
    head=dict(in_channels=960))
optim_wrapper = dict(optimizer=dict(lr=0.01))
