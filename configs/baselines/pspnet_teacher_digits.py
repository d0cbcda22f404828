# The student's network, three times as wide, trained longer at its own rate.
_base_ = [
    '../_base_/models/pspnet_r18_narrow.py',
    '../_base_/datasets/digits_voc.py',
    '../_base_/schedules/digits_450iters.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(stem_channels=24, base_channels=24),
    decode_head=dict(in_channels=192, channels=48),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_cfg = dict(max_iters=1000, val_interval=500)
