# ResNet-8 of the CIFAR family for gray images of 28×28 pixels: 16, 32 and 64 channels, 0.08 M
# parameters.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ickd_mm.CIFARResNet', depth=8, in_channels=1, channels_last=True),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
