# The student alone.
_base_ = '../../digits/resnet_student.py'
