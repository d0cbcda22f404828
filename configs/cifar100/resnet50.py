# mmpretrain's network for CIFAR is the field's, but for how it starts.
_base_ = '../_base_/cifar100.py'
model = dict(
    backbone=dict(type='ResNet_CIFAR', depth=50, zero_init_residual=False),
    head=dict(in_channels=2048))
