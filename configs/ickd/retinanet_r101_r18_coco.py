# RetinaNet R101 -> R18 on COCO 2017: the last map of both backbones, by inter-channel correlation
# on a grid. The paper has no detectors; tap, grid and weight are chosen as for segmentation.
_base_ = '../baselines/retinanet_r18_coco.py'
# Lets mmdet's own tools run this file too, also where mmcv has no compiled operators.
custom_imports = dict(imports=['ickd_mm'])
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='mmdet::retinanet/retinanet_r101_fpn_1x_coco.py',
    teacher_ckpt='zoo',
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',  # or a level of both FPNs: 'neck[0]' to 'neck[4]'
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector'),
            loss=dict(type='ickd_mm.ICKDLoss', grid=4, center=True, loss_weight=5.0),
        )
    ),
)
