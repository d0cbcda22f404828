# What the recipes for CIFAR-100 and the digits share. Those for VOC and ImageNet take mmseg's and
# mmpretrain's own default_runtime.py.
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
randomness = dict(seed=0)
