# Fashion-MNIST (arXiv 1708.07747): 60,000 + 10,000 gray images of 28×28 pixels, 10 classes. Crop of
# the image padded by 2, flip; mean and deviation of the training set.
data_root = 'data/fashionmnist'
data_preprocessor = dict(
    num_classes=10,
    mean=[72.94],  # 255 x 0.2860
    std=[90.02],  # 255 x 0.3530
    to_rgb=False,
)
train_pipeline = [
    dict(type='RandomCrop', crop_size=28, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
_dataset = dict(type='FashionMNIST', data_root=data_root)  # downloads itself where it is missing
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**_dataset, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**_dataset, split='test', test_mode=True, pipeline=[dict(type='PackInputs')]),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
