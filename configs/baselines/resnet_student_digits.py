_base_ = [
    '../_base_/models/resnet18_narrow.py',
    '../_base_/datasets/digits_imagefolder.py',
    '../_base_/schedules/digits_900iters.py',
    '../_base_/default_runtime.py',
]
