_base_ = [
    '../_base_/students/pspnet_r18_digits.py', '../_base_/datasets/digits_voc.py',
    '../_base_/schedules/digits.py'
]
