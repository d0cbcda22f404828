"""A model's config and a batch for models, as mmseg and mmpretrain take them."""

import torch

VIT = dict(
    _scope_='mmpretrain',
    type='ImageClassifier',
    data_preprocessor=dict(mean=[0.0], std=[255.0], num_classes=5, to_rgb=True),
    backbone=dict(type='VisionTransformer', img_size=224, patch_size=32, out_type='featmap',
                  arch=dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=24),
)  # fmt: skip


def batch(n=2, size=64, classes=11):
    """Random images and labels as mmseg's data loader hands them to a model."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(n + size)
    samples = []
    for _ in range(n):
        labels = torch.randint(0, classes, (1, size, size), generator=generator)
        sample = SegDataSample(metainfo=dict(img_shape=(size, size), ori_shape=(size, size)))
        samples.append(sample.set_data(dict(gt_sem_seg=PixelData(data=labels))) or sample)
    images = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)
