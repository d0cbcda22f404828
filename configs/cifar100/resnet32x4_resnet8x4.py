_base_ = ['./resnet8x4.py', '../_base_/distillation/cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::cifar100/resnet32x4.py',
    teacher_ckpt='checkpoints/resnet32x4.pth',
    input_size=32,
    pairs={{_base_.pairs}},
)
