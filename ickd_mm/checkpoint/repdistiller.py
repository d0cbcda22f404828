"""Read the public teachers of the CIFAR distillation field into this package's networks.

``HobbitLong/RepDistiller`` (and the repositories that grew out of it) saves
``{'model': state_dict, 'epoch': n, 'accuracy' or 'best_acc': a, ...}``. Key names are those of its
``models/*.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# Parameters with 100 classes; they tell the networks of a family apart.
PARAMETERS = {
    'resnet8': 83_892,
    'resnet14': 181_108,
    'resnet20': 278_324,
    'resnet32': 472_756,
    'resnet44': 667_188,
    'resnet56': 861_620,
    'resnet110': 1_736_564,
    'resnet8x4': 1_233_540,
    'resnet32x4': 7_433_860,
    'resnet50': 23_705_252,
    'wrn_16_1': 180_916,
    'wrn_16_2': 703_284,
    'wrn_40_1': 569_780,
    'wrn_40_2': 2_255_156,
    'vgg8': 3_965_028,
    'vgg13': 9_462_180,
    'mobilenet_v2': 812_836,
    'shufflenet_v1': 949_258,
    'shufflenet_v2': 1_355_528,
}
BUFFERS = ('running_mean', 'running_var', 'num_batches_tracked')
Rule = tuple[str, str | Callable[[re.Match], str]]

_CONV_BN = {'0': 'conv', '1': 'bn'}
_INVERTED = {
    str(3 * n + i): f'{part}.{kind}'
    for n, part in enumerate(('expand', 'depthwise', 'project'))
    for i, kind in enumerate(('conv', 'bn'))
}
# Units of ShuffleNetV2 by the number of their convolutions: (branch, place in it).
_SHUFFLE_V2 = {
    3: ('branch2.0', 'branch2.1', 'branch2.2'),
    5: ('branch1.0', 'branch1.1', 'branch2.0', 'branch2.1', 'branch2.2'),
}


def _shuffle_unit(match: re.Match) -> str:
    stage, unit, kind, number = match.groups()
    places = _SHUFFLE_V2[5 if unit == '0' else 3]
    return f'layers.{int(stage) - 1}.{unit}.{places[int(number) - 1]}.{kind}.'


@dataclass(frozen=True)
class Family:
    """Networks whose keys are built alike.

    Attributes:
        sign: a key that this family has and no family behind it in :data:`FAMILIES`.
        classifier: beginning of the keys of the last linear layer.
        rules: pattern at a key's beginning -> what stands there in our backbone; the first
            that fits counts.
    """

    sign: str
    classifier: str
    rules: tuple[Rule, ...]

    def rename(self, key: str) -> str:
        """Return our name for a key.

        Raises:
            ValueError: if no rule fits.
        """
        if key.startswith(self.classifier):
            return 'head.fc.' + key.removeprefix(self.classifier)
        for pattern, ours in self.rules:
            renamed, count = re.subn(f'^{pattern}', ours, key)
            if count:
                return f'backbone.{renamed}'
        raise ValueError(f'key {key!r} belongs to no part of such a network')


_PLAIN: Rule = (r'(conv1|bn1|layer\d\.\d+)\.', r'\1.')
FAMILIES = {
    'wide ResNet': Family(
        'block1.layer.0.bn1.weight',
        'fc.',
        (
            (r'block(\d)\.layer\.(\d+)\.convShortcut\.', r'layer\1.\2.shortcut.'),
            (r'block(\d)\.layer\.', r'layer\1.'),
            _PLAIN,
        ),
    ),
    'VGG with batch norm': Family(
        'block0.1.running_mean',
        'classifier.',
        ((r'block(\d)\.', lambda m: f'layer{int(m[1]) + 1}.'),),
    ),
    'MobileNetV2': Family(
        'blocks.0.0.conv.0.weight',
        'classifier.0.',
        (
            (r'conv([12])\.([01])\.', lambda m: f'conv{m[1]}.{_CONV_BN[m[2]]}.'),
            (
                r'blocks\.(\d)\.(\d+)\.conv\.([013467])\.',
                lambda m: f'layer{int(m[1]) + 1}.{m[2]}.{_INVERTED[m[3]]}.',
            ),
        ),
    ),
    'ShuffleNetV2': Family(
        'layer1.0.conv5.weight',
        'linear.',
        (
            (r'layer(\d)\.(\d+)\.(conv|bn)(\d)\.', _shuffle_unit),
            (r'(conv|bn)1\.', r'conv1.\1.'),
            (r'(conv|bn)2\.', r'layers.3.\1.'),
        ),
    ),
    'ResNet of four stages': Family(
        'layer4.0.shortcut.0.weight',
        'linear.',
        ((r'(layer\d\.\d+)\.shortcut\.', r'\1.downsample.'), _PLAIN),
    ),
    'ShuffleNetV1': Family('linear.weight', 'linear.', (_PLAIN,)),
    'ResNet of three stages': Family('layer3.0.bn2.weight', 'fc.', (_PLAIN,)),
}


def _state_dict(checkpoint: Any) -> dict[str, Tensor]:
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"expected a dict with 'model', found a {type(checkpoint).__name__}")
    if 'model' not in checkpoint:
        keys = ', '.join(map(repr, list(checkpoint)[:5])) or 'nothing'
        raise ValueError(f"expected a dict with 'model', found one with {keys}")
    model = checkpoint['model']
    if not isinstance(model, Mapping) or not model:
        raise ValueError(f"'model' must hold a state dict, found a {type(model).__name__}")
    for key, value in model.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"'model' must hold tensors, found a {type(value).__name__} at {key!r}"
            )
    return {key.removeprefix('module.'): value for key, value in model.items()}


def _identify(state: dict[str, Tensor], known: str) -> str:
    """Name the network by its parameters, counted as if it had 100 classes."""
    learned = {k: v for k, v in state.items() if not k.endswith(BUFFERS)}
    width = state['head.fc.weight'].shape[-1]
    body = sum(v.numel() for k, v in learned.items() if not k.startswith('head.'))
    count = body + 100 * (width + 1)
    for name, parameters in PARAMETERS.items():
        if count == parameters:
            return name
    raise ValueError(
        f'found a {known} of {count:,} parameters (with 100 classes), which is none of '
        f'{", ".join(f"{name} ({n:,})" for name, n in PARAMETERS.items())}'
    )


def convert(checkpoint: Any, arch: str | None = None) -> tuple[str, dict[str, Tensor]]:
    """Rename the weights of a RepDistiller checkpoint as our classifiers name them.

    Args:
        checkpoint: what the file holds.
        arch: a name of :data:`PARAMETERS` that it has to be; found out if left out.

    Returns:
        The network's name and its state dict, ``backbone.…`` and ``head.fc.…``.

    Raises:
        ValueError: if it is not such a checkpoint, of an unknown network, or of another
            than ``arch``: what was expected and what was found.
    """
    if arch is not None and arch not in PARAMETERS:
        raise ValueError(f'arch must be one of {", ".join(PARAMETERS)}, got {arch!r}')
    weights = _state_dict(checkpoint)
    known = next((name for name, family in FAMILIES.items() if family.sign in weights), None)
    if known is None:
        raise ValueError(
            f"'model' holds no network of {', '.join(FAMILIES)}: found {len(weights)} keys, "
            f'{", ".join(list(weights)[:3])}, ...'
        )
    state = {FAMILIES[known].rename(key): value for key, value in weights.items()}
    if 'head.fc.weight' not in state:
        raise ValueError(f'found a {known} without {FAMILIES[known].classifier}weight')
    name = _identify(state, known)
    if arch is not None and name != arch:
        raise ValueError(f'expected {arch}, found {name}')
    return name, state
