_base_ = ['./wrn_40_1.py', '../_base_/distillation/cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::cifar100/wrn_40_2.py',
    teacher_ckpt='checkpoints/wrn_40_2.pth',
    input_size=32,
    pairs={{_base_.pairs}},
)
