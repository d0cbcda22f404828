_base_ = [
    '../_base_/models/classifier_cifar100.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/cifar100_240epochs.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(type='ickd_mm.CIFARVGG', depth=8), head=dict(in_channels=512))
