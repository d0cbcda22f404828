# FitNet first; over the middle third of the training ICKD-S fades in and takes its place.
_base_ = './ickd_s_fitnet_pspnet_digits.py'
custom_hooks = [
    dict(type='ickd_mm.PairWeightHook', pair='loss_icc', points=[(0.33, 0), (0.67, 1)]),
    dict(type='ickd_mm.PairWeightHook', pair='loss_fitnet', points=[(0.33, 1), (0.67, 0)]),
]
