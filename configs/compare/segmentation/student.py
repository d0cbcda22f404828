# The student alone.
_base_ = '../../digits/pspnet_r18_student.py'
