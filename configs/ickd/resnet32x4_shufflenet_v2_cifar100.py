# The student's tap is the field's, 464 channels before its last 1x1 convolution (HobbitLong/
# RepDistiller, models/ShuffleNetv2.py); ADLab-AutoDrive/ICKD takes the map behind it, backbone[0].
_base_ = ['../baselines/shufflenet_v2_cifar100.py', '../_base_/distillers/icc_cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet32x4_cifar100.py',
    teacher_ckpt='checkpoints/resnet32x4.pth',
    input_size=32,
    pairs=dict(loss_icc=dict(_base_.cifar100_pairs.loss_icc, student='backbone.layers.2')),
)
