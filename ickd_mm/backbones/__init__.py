"""The small networks of the CIFAR distillation field, as mmpretrain backbones.

Imported when one of their names is first asked for, because they need mmpretrain.
"""

from importlib.util import find_spec

if find_spec('mmpretrain') is None:
    raise ImportError(
        'the networks of ickd_mm are mmpretrain backbones and mmpretrain is not installed; '
        "install it, or this package's extra 'openmmlab' or 'onedl'"
    )

from .mobilenet_v2 import CIFARMobileNetV2
from .resnet import CIFARResNet
from .shufflenet_v1 import CIFARShuffleNetV1
from .shufflenet_v2 import CIFARShuffleNetV2
from .vgg import CIFARVGG
from .wide_resnet import CIFARWideResNet

__all__ = [
    'CIFARVGG',
    'CIFARMobileNetV2',
    'CIFARResNet',
    'CIFARShuffleNetV1',
    'CIFARShuffleNetV2',
    'CIFARWideResNet',
]
