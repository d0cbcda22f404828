# Two thirds of the comparison's iterations, where the seed decides whether the student alone has
# left chance at all.
_base_ = [
    '../_base_/models/resnet18_narrow.py',
    '../_base_/datasets/digits_imagefolder.py',
    '../_base_/schedules/digits_900iters.py',
    '../_base_/default_runtime.py',
]
train_cfg = dict(max_iters=600, val_interval=200)
default_hooks = dict(checkpoint=dict(interval=600))
