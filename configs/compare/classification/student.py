# The student alone.
_base_ = [
    '../../_base_/students/resnet_digits.py', '../../_base_/datasets/digits_imagefolder.py',
    '../../_base_/schedules/digits_imagefolder_900.py'
]
