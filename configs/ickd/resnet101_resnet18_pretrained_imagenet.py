_base_ = './resnet34_resnet18_pretrained_imagenet.py'
model = dict(teacher='mmpretrain::resnet/resnet101_8xb32_in1k.py')
