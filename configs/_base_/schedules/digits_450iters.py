# The scenes' schedule: train_cfg.max_iters is the one number to change. The rate is that of the
# teacher and of distilled students; the student alone has its own (docs/comparison.md).
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.05, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=50, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=450, val_interval=150)
default_scope = 'mmseg'
log_processor = dict(by_epoch=False)
visualizer = dict(
    type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=450),
)
