# The classification comparison's student and teacher; what is matched between them is left to add.
_base_ = [
    '../students/resnet_digits.py', '../datasets/digits_imagefolder.py',
    '../schedules/digits_imagefolder_900.py'
]
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::digits/resnet_teacher.py',
    teacher_ckpt='work_dirs/demo-classification/teacher/iter_1600.pth',
    pairs=dict())
