_base_ = '../baselines/resnet_student_digits.py'
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet_teacher_digits.py',
    teacher_ckpt='weights/resnet_teacher_digits.safetensors',
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, center=True, loss_weight=40.0),
        )
    ),
)
