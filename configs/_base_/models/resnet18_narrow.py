# A narrow ResNet-18 for 32x32 images: 4x4 maps before pooling.
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='ClsDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        num_classes=10,
    ),
    backbone=dict(
        type='ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8, strides=(2, 1, 2, 2)
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss'),
        topk=(1,),
    ),
)
