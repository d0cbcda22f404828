# ICKD-S on centred maps, the student's channels against the teacher's. Weight 2.5:
# the best of 0.6, 2.5, 10 and 50 (docs/sweeps.md).
_base_ = './ickd_s_resnet_digits.py'
model = dict(pairs=dict(loss_icc=dict(loss=dict(center=True, cross=True, loss_weight=2.5))))
