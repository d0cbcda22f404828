# CIFAR-100 as HobbitLong/RepDistiller, dataset/cifar100.py, reads it: crop of the image padded by
# 4, flip; mean and deviation of the training set.
data_root = 'data/cifar100'
how_to_get_data = 'docs/data.md says how to get CIFAR-100; --data-root names another folder'
data_preprocessor = dict(
    num_classes=100,
    mean=[129.3105, 124.1085, 112.404],  # 255 x (0.5071, 0.4867, 0.4408)
    std=[68.2125, 65.4075, 70.4055],  # 255 x (0.2675, 0.2565, 0.2761)
    to_rgb=False,
)  # the files hold RGB
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
_dataset = dict(type='CIFAR100', data_root=data_root, download=False)
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**_dataset, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**_dataset, split='test', pipeline=[dict(type='PackInputs')]),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
