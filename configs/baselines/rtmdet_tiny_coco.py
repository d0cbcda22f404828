# RTMDet-tiny on COCO 2017, 300 epochs: mmdet's own config.
_base_ = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
how_to_get_data = 'docs/data.md says how to get COCO 2017; --data-root names another COCO folder'
# 32 images on each of 8 GPUs, which the learning rate of 0.004 is for: on fewer, lower it too.
