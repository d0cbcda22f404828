# mmpretrain's network for CIFAR is the field's, but for how it starts.
_base_ = [
    '../_base_/models/classifier_cifar100.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/cifar100_240epochs.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(type='ResNet_CIFAR', depth=50, zero_init_residual=False),
    head=dict(in_channels=2048),
)
