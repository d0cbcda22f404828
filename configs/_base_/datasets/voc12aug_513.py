# VOC 2012 + SBD (10,582 training images) as mmseg reads and augments it, cropped to 513x513.
_base_ = 'mmseg::_base_/datasets/pascal_voc12_aug.py'
how_to_get_data = 'docs/data.md says how to get VOC 2012; --data-root names another VOC folder'
crop_size = (513, 513)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2052, 513), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='Pad', size=crop_size),
    dict(type='PackSegInputs'),
]
dataset_train = dict(_base_.dataset_train, pipeline=train_pipeline)
dataset_aug = dict(_base_.dataset_aug, pipeline=train_pipeline)
# 16 images per step in total: on n GPUs, train_dataloader.batch_size=16/n.
train_dataloader = dict(
    batch_size=16, num_workers=8, dataset=dict(datasets=[dataset_train, dataset_aug])
)
