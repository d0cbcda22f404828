# RTMDet-s -> RTMDet-tiny on COCO 2017: the last map of both backbones, by inter-channel correlation
# on a grid. The paper has no detectors; tap, grid and weight are chosen as for segmentation.
_base_ = '../baselines/rtmdet_tiny_coco.py'
# Lets mmdet's own tools run this file too, also where mmcv has no compiled operators.
custom_imports = dict(imports=['ickd_mm'])
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py',
    teacher_ckpt='zoo',
    pairs=dict(
        loss_icc=dict(
            student='backbone[2]',  # or a level of both necks: 'neck[0]' to 'neck[2]'
            teacher='backbone[2]',
            connector=dict(type='ickd_mm.ConvConnector'),
            loss=dict(type='ickd_mm.ICKDLoss', grid=4, center=True, loss_weight=5.0),
        )
    ),
)
