# clovaai/overhaul-distillation, Segmentation: poly, SGD, 10 times the rate on what is new.
# 50 epochs of 10,582 images at 16 a step: 50 x 662 = 33,100 iterations.
_base_ = 'mmseg::_base_/schedules/schedule_40k.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.007, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys=dict(decode_head=dict(lr_mult=10.0), connectors=dict(lr_mult=10.0))))
# Without an end it follows train_cfg.max_iters.
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, by_epoch=False)]
train_cfg = dict(max_iters=33100, val_interval=3310)
default_hooks = dict(checkpoint=dict(interval=3310))
