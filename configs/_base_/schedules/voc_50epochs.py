# clovaai/overhaul-distillation, Segmentation: poly, SGD, 10 times the rate on what is new.
# 50 epochs of 10,582 images at 16 per step: 50 x 662 = 33,100 iterations.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.007, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys=dict(decode_head=dict(lr_mult=10.0), connectors=dict(lr_mult=10.0))
    ),
)
# Without an end it follows train_cfg.max_iters.
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=33100, val_interval=3310)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3310),
)
