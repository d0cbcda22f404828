# The rate is the student's own best: of 0.03, 0.05, 0.08 and 0.12 (docs/comparison.md).
_base_ = [
    '../_base_/models/pspnet_r18_narrow.py',
    '../_base_/datasets/digits_voc.py',
    '../_base_/schedules/digits_450iters.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(optimizer=dict(lr=0.08))
