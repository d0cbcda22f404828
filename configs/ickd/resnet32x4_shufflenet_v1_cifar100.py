_base_ = ['../baselines/shufflenet_v1_cifar100.py', '../_base_/distillers/icc_cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet32x4_cifar100.py',
    teacher_ckpt='checkpoints/resnet32x4.pth',
    input_size=32,
    pairs={{_base_.cifar100_pairs}},
)
