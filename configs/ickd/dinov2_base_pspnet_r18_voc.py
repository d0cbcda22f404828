# DINOv2 ViT-B/14 -> PSPNet R18 on Pascal VOC 2012 with SBD, by inter-channel correlation on a grid:
# the tokens of the teacher's last layer, laid out as a map. Tap, grid and weight are chosen here.
#
#     python tools/train.py configs/ickd/dinov2_base_pspnet_r18_voc.py
#
# A teacher of your own that is a backbone alone: docs/own_model.md.
_base_ = '../baselines/pspnet_r18_voc.py'
# Lets mmseg's own tools run this file too, also where mmcv-lite is installed.
custom_imports = dict(imports=['ickd_mm'])
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='mmpretrain::dinov2/vit-base-p14_dinov2-pre_headless.py',
    teacher_ckpt='zoo',
    # 37 patches of 14 pixels a side, as it was trained. On a GPU dtype='bf16' halves its memory.
    teacher_run=dict(size=518),
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layers.11:map',
            connector=dict(type='ickd_mm.ConvConnector'),
            loss=dict(type='ickd_mm.ICKDLoss', grid=4, center=True, loss_weight=5.0),
        )
    ),
)
