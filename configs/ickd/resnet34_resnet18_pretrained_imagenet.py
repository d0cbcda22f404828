# ICKD-C with logits on ImageNet as released: the student starts from ImageNet-pretrained weights.
_base_ = ['../baselines/resnet18_pretrained_imagenet.py', '../_base_/distillers/icc_kl_imagenet.py']
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student=dict(
        _base_.model,
        head=dict(_base_.model.head, loss=dict(type='CrossEntropyLoss', loss_weight=0.5)),
    ),
    teacher='mmpretrain::resnet/resnet34_8xb32_in1k.py',
    teacher_ckpt='zoo',
    pairs={{_base_.imagenet_pairs}},
)
