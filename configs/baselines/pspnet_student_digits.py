_base_ = [
    '../_base_/models/pspnet_r18_narrow.py',
    '../_base_/datasets/digits_voc.py',
    '../_base_/schedules/digits_450iters.py',
    '../_base_/default_runtime.py',
]
