# The classification demo's student and teacher; what is matched between them is left to add.
_base_ = [
    '../models/resnet18_narrow.py',
    '../datasets/digits_imagefolder.py',
    '../schedules/digits_900iters.py',
    '../default_runtime.py',
]
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet_teacher_digits.py',
    teacher_ckpt='weights/resnet_teacher_digits.safetensors',
    pairs=dict(),
)
