# ResNet-32 -> ResNet-8 on Fashion-MNIST, by inter-channel correlation over the whole map (ICKD-C).
_base_ = '../baselines/resnet8_fashionmnist.py'
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet32_fashionmnist.py',
    teacher_ckpt='weights/resnet32_fashionmnist.safetensors',
    input_size=28,
    pairs=dict(
        loss_icc=dict(
            student='backbone[0]',
            teacher='backbone[0]',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, center=True, cross=True, loss_weight=10.0),
        )
    ),
)
