# The segmentation demo's student and teacher; what is matched between them is left to add.
_base_ = '../../digits/pspnet_r18_student.py'
custom_imports = dict(imports=['ickd_mm'])  # lets mmseg's own tools run it on mmcv-lite too
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::digits/pspnet_r18_teacher.py',
    teacher_ckpt='work_dirs/demo/teacher/iter_1000.pth',
    pairs=dict())
