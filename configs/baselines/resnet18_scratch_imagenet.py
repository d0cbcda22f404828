# mmpretrain's own recipe is the field's usual one: SGD 0.1, 100 epochs, a tenth at 30, 60 and 90.
_base_ = [
    'mmpretrain::_base_/models/resnet18.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
]
how_to_get_data = 'docs/data.md says how ImageNet is laid out; --data-root names another folder'
# 256 images per step in total: on n GPUs, train_dataloader.batch_size=256/n.
train_dataloader = dict(batch_size=256, num_workers=16)
val_dataloader = dict(batch_size=256, num_workers=16)
test_dataloader = dict(batch_size=256, num_workers=16)
