# The student's tap is the field's, 160 channels before its last 1x1 convolution (HobbitLong/
# RepDistiller, models/mobilenetv2.py); ADLab-AutoDrive/ICKD takes the map behind it, backbone[0].
_base_ = ['../baselines/mobilenet_v2_cifar100.py', '../_base_/distillers/icc_cifar100.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/vgg13_cifar100.py',
    teacher_ckpt='checkpoints/vgg13.pth',
    input_size=32,
    pairs=dict(loss_icc=dict(_base_.cifar100_pairs.loss_icc, student='backbone.layer7')),
)
