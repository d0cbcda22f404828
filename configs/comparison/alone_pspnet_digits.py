# The student alone, at its own best rate. The methods have theirs, 0.05.
_base_ = '../baselines/pspnet_student_digits.py'
