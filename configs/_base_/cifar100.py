# All of an undistilled run but the backbone.
_base_ = [
    './models/classifier_cifar100.py', './datasets/cifar100.py',
    './schedules/cifar100_240epochs.py'
]
