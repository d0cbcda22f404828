# ICKD-S on centred maps, the student's channels against the teacher's. Weight 10: level with 2, 5
# and 20 (docs/comparison.md).
_base_ = './ickd_s_pspnet_digits.py'
model = dict(pairs=dict(loss_icc=dict(loss=dict(center=True, cross=True, loss_weight=10.0))))
