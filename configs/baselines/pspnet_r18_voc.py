# PSPNet R18-d8 on VOC 2012 aug: mmseg's R50 config with its R18 widths.
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-40k_voc12aug-512x512.py'
how_to_get_data = 'docs/data.md says how to get VOC 2012; --data-root names another VOC folder'
model = dict(
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
# 16 images per step in total: on n GPUs, train_dataloader.batch_size=16/n.
train_dataloader = dict(batch_size=16, num_workers=8)
# Without an end it follows train_cfg.max_iters.
param_scheduler = [dict(type='PolyLR', eta_min=1e-4, power=0.9, by_epoch=False)]
