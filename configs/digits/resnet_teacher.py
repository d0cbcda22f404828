# The student's network, three times as wide, trained longer at its own rate.
_base_ = './resnet_student.py'
model = dict(
    backbone=dict(stem_channels=24, base_channels=24),
    head=dict(in_channels=192))
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_iters=1600, val_interval=400)
