# RTMDet-tiny on COCO 2017, 300 epochs: mmdet's own config.
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
how_to_get_data = 'docs/data.md says how to get COCO 2017; --data-root names another COCO folder'
# 32 images per step in total, an eighth of mmdet's: so is the rate. On n GPUs: n times the rate.
base_lr = 0.0005
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(
        type='CosineAnnealingLR',
        eta_min=base_lr * 0.05,
        begin=150,
        end=300,
        T_max=150,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
