# The released code's start and schedule: weights trained on ImageNet already, then AdamW.
_base_ = './resnet18_scratch.py'
model = dict(
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/'
        'resnet18_8xb32_in1k_20210831-fbbb1da6.pth'))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-4, weight_decay=5e-4))
