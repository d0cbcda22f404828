# The demo's student where labels are few: the first 50 of the scenes.
_base_ = [
    '../_base_/models/pspnet_r18_narrow.py',
    '../_base_/datasets/digits_voc.py',
    '../_base_/schedules/digits_450iters.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(indices=50))
