# The released losses from random weights, with the field's usual schedule.
_base_ = ['../baselines/resnet18_scratch_imagenet.py', '../_base_/distillers/icc_kl_imagenet.py']
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
