# What every network for CIFAR-100 ends in: its last map, averaged, and one linear layer.
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it too
model = dict(
    type='ImageClassifier',
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=100,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1, 5),
    ),
)
