_base_ = ['../baselines/wrn_40_1_cifar100.py', '../_base_/distillers/icc_cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/wrn_40_2_cifar100.py',
    teacher_ckpt='checkpoints/wrn_40_2.pth',
    input_size=32,
    pairs={{_base_.cifar100_pairs}},
)
