_base_ = '../_base_/students/pspnet_r18_voc.py'
