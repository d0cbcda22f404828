# ResNet-8 and its teacher on Fashion-MNIST; what is matched between them is left to add.
_base_ = [
    '../models/resnet8_gray.py',
    '../datasets/fashionmnist.py',
    '../schedules/fashionmnist_10epochs.py',
    '../default_runtime.py',
]
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher='ickd_mm::baselines/resnet32_fashionmnist.py',
    teacher_ckpt='weights/resnet32_fashionmnist.safetensors',
    input_size=28,
    pairs=dict(),
)
