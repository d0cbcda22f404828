_base_ = [
    '../_base_/models/resnet8_gray.py',
    '../_base_/datasets/fashionmnist.py',
    '../_base_/schedules/fashionmnist_10epochs.py',
    '../_base_/default_runtime.py',
]
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it too
model = dict(backbone=dict(depth=32))
optim_wrapper = dict(optimizer=dict(lr=0.1))  # the schedule's rate is the small student's best
