_base_ = './deeplabv3plus_r101_r18_1x1.py'
model = dict(pairs=dict(loss_icc=dict(loss=dict(grid=32))))
