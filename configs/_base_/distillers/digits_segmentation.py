# The segmentation demo's student and teacher; what is matched between them is left to add.
_base_ = [
    '../models/pspnet_r18_narrow.py',
    '../datasets/digits_voc.py',
    '../schedules/digits_450iters.py',
    '../default_runtime.py',
]
custom_imports = dict(imports=['ickd_mm'])  # lets mmseg's own tools run it on mmcv-lite too
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/pspnet_teacher_digits.py',
    teacher_ckpt='weights/pspnet_teacher_digits.safetensors',
    pairs=dict(),
)
