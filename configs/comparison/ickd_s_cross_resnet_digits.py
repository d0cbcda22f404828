# ICKD-S on centred maps, the student's channels against the teacher's.
_base_ = './ickd_s_resnet_digits.py'
model = dict(pairs=dict(loss_icc=dict(loss=dict(center=True, cross=True, loss_weight=10.0))))
