# The released code's start and schedule: weights trained on ImageNet already, then AdamW.
_base_ = [
    'mmpretrain::_base_/models/resnet18.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../_base_/schedules/imagenet_adamw_100epochs.py',
    'mmpretrain::_base_/default_runtime.py',
]
how_to_get_data = 'docs/data.md says how ImageNet is laid out; --data-root names another folder'
model = dict(
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/'
        'resnet18_8xb32_in1k_20210831-fbbb1da6.pth',
    )
)
# 256 images per step in total: on n GPUs, train_dataloader.batch_size=256/n.
train_dataloader = dict(batch_size=256, num_workers=16)
val_dataloader = dict(batch_size=256, num_workers=16)
test_dataloader = dict(batch_size=256, num_workers=16)
