_base_ = '../baselines/pspnet_student_digits.py'
custom_imports = dict(imports=['ickd_mm'])  # lets mmseg's own tools run it on mmcv-lite too
optim_wrapper = dict(optimizer=dict(lr=0.05))  # 0.08, the best alone, differs little
teacher_val = True  # score the teacher before the first iteration
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/pspnet_teacher_digits.py',
    teacher_ckpt='weights/pspnet_teacher_digits.safetensors',
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=(2, 2), center=True, loss_weight=5.0),
        )
    ),
)
