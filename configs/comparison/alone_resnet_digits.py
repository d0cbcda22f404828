# The student alone.
_base_ = '../baselines/resnet_student_digits.py'
