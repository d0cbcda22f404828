_base_ = ['../baselines/vgg8_cifar100.py', '../_base_/distillers/icc_cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet50_cifar100.py',
    teacher_ckpt='checkpoints/resnet50.pth',
    input_size=32,
    pairs={{_base_.cifar100_pairs}},
)
