# RetinaNet R18-FPN on COCO 2017, 12 epochs: mmdet's own config.
_base_ = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
how_to_get_data = 'docs/data.md says how to get COCO 2017; --data-root names another COCO folder'
# 16 images per step in total: on n GPUs, train_dataloader.batch_size=16/n.
train_dataloader = dict(batch_size=16, num_workers=8)
