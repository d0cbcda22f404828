_base_ = ['./resnet20.py', '../_base_/distillation/cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::cifar100/resnet56.py',
    teacher_ckpt='checkpoints/resnet56.pth',
    input_size=32,
    pairs={{_base_.pairs}},
)
