# Tap and weight are in no released file: they are chosen here, one line each.
_base_ = './pspnet_r18.py'
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='mmseg::pspnet/pspnet_r101-d8_4xb4-40k_voc12aug-512x512.py',
    teacher_ckpt='zoo',
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, loss_weight=2.0))))
