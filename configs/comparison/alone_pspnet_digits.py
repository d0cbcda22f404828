# The student alone, at its own best rate: 0.08, the best of 0.03, 0.05, 0.08 and 0.12
# (docs/comparison.md). The methods have the demo's 0.05.
_base_ = '../baselines/pspnet_student_digits.py'
optim_wrapper = dict(optimizer=dict(lr=0.08))
