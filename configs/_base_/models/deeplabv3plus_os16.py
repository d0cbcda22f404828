# DeepLabV3+ as clovaai/overhaul-distillation has it: output stride 16, 256 channels, dilations 6,
# 12, 18, no auxiliary head. Its ASPP is a plain one; here it is mmseg's, whose 3x3 convolutions are
# separable. The backbone, and the two channel counts that follow from it, are left to add.
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(513, 513),
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        c1_channels=48,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
