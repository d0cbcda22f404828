# DeepLabV3+ R101 -> MobileNetV2 on VOC by ICKD-S. Tap and weight are in no released file: they are
# chosen here, one line each. Grid: 16x16 has the best reported figure.
# The teacher is mmseg's (output stride 8), so that nobody must train one. For the stride of 16 of
# overhaul-distillation train baselines/deeplabv3plus_r101_voc.py, and name it and its checkpoint.
_base_ = '../baselines/deeplabv3plus_mobilenetv2_voc.py'
custom_imports = dict(imports=['ickd_mm'])  # lets mmseg's own tools run it on mmcv-lite too
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb4-40k_voc12aug-512x512.py',
    teacher_ckpt='zoo',
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer7',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=16, loss_weight=2.0),
        )
    ),
)
