# The student's network, three times as wide, trained longer.
_base_ = [
    '../_base_/models/resnet18_narrow.py',
    '../_base_/datasets/digits_imagefolder.py',
    '../_base_/schedules/digits_900iters.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(stem_channels=24, base_channels=24), head=dict(in_channels=192))
train_cfg = dict(max_iters=1600, val_interval=400)
default_hooks = dict(checkpoint=dict(interval=600))
