"""Read the public teachers of the CIFAR distillation field into this package's networks.

``HobbitLong/RepDistiller`` (and the repositories that grew out of it) saves
``{'model': state_dict, 'epoch': n, 'accuracy' or 'best_acc': a, ...}``. Key names are those of its
``models/*.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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

_CONV_BN = {'0': 'conv', '1': 'bn'}
_INVERTED = {
    str(3 * n + i): f'{part}.{kind}'
    for n, part in enumerate(('expand', 'depthwise', 'project'))
    for i, kind in enumerate(('conv', 'bn'))
}
# A unit of ShuffleNetV2: its last three convolutions are branch 2, any before them branch 1.
_BRANCHES = ('branch1.0', 'branch1.1', 'branch2.0', 'branch2.1', 'branch2.2')


def _shuffle_unit(match: re.Match) -> str:
    stage, unit, kind, number = match.groups()
    branch = _BRANCHES[int(number) - 1 if unit == '0' else int(number) + 1]
    return f'layers.{int(stage) - 1}.{unit}.{branch}.{kind}.'


# Family -> a key that no family below it has, and the beginning of its last linear layer's keys.
FAMILIES = {
    'wide ResNet': ('block1.layer.0.bn1.weight', 'fc.'),
    'VGG with batch norm': ('block0.1.running_mean', 'classifier.'),
    'MobileNetV2': ('blocks.0.0.conv.0.weight', 'classifier.0.'),
    'ShuffleNetV2': ('layer1.0.conv5.weight', 'linear.'),
    'ResNet of four stages': ('layer4.0.shortcut.0.weight', 'linear.'),
    'ShuffleNetV1': ('linear.weight', 'linear.'),
    'ResNet of three stages': ('layer3.0.bn2.weight', 'fc.'),
}
# Family -> pattern at the beginning of a key -> our backbone's name for it; the first match counts.
_PLAIN = {r'(conv1|bn1|layer\d\.\d+)\.': r'\1.'}
RULES: dict[str, dict[str, str | Callable[[re.Match], str]]] = {
    'wide ResNet': {
        r'block(\d)\.layer\.(\d+)\.convShortcut\.': r'layer\1.\2.shortcut.',
        r'block(\d)\.layer\.': r'layer\1.',
        **_PLAIN,
    },
    'VGG with batch norm': {r'block(\d)\.': lambda m: f'layer{int(m[1]) + 1}.'},
    'MobileNetV2': {
        r'conv([12])\.([01])\.': lambda m: f'conv{m[1]}.{_CONV_BN[m[2]]}.',
        r'blocks\.(\d)\.(\d+)\.conv\.([013467])\.': (
            lambda m: f'layer{int(m[1]) + 1}.{m[2]}.{_INVERTED[m[3]]}.'
        ),
    },
    'ShuffleNetV2': {
        r'layer(\d)\.(\d+)\.(conv|bn)(\d)\.': _shuffle_unit,
        r'(conv|bn)1\.': r'conv1.\1.',
        r'(conv|bn)2\.': r'layers.3.\1.',
    },
    'ResNet of four stages': {r'(layer\d\.\d+)\.shortcut\.': r'\1.downsample.', **_PLAIN},
}


def _rename(key: str, family: str) -> str:
    _, classifier = FAMILIES[family]
    if key.startswith(classifier):
        return 'head.fc.' + key.removeprefix(classifier)
    for pattern, ours in RULES.get(family, _PLAIN).items():
        renamed, count = re.subn(f'^{pattern}', ours, key)
        if count:
            return f'backbone.{renamed}'
    raise ValueError(f'key {key!r} does not belong to such a network')


def _state_dict(checkpoint: Any) -> dict[str, Tensor]:
    if not isinstance(checkpoint, Mapping) or 'model' not in checkpoint:
        found = f'a {type(checkpoint).__name__}'
        if isinstance(checkpoint, Mapping):
            found = f'one with {", ".join(map(repr, list(checkpoint)[:5])) or "nothing"}'
        raise ValueError(f"expected a dict with 'model', found {found}")
    model = checkpoint['model']
    if not isinstance(model, Mapping) or not model:
        raise ValueError(f"'model' must hold a state dict, found a {type(model).__name__}")
    for key, value in model.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise ValueError(f"'model' must hold tensors, found a {kind} at {key!r}")
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
        arch: the expected name, one of :data:`PARAMETERS`; any if left out.

    Returns:
        The network's name and its state dict, ``backbone.…`` and ``head.fc.…``.

    Raises:
        ValueError: if it is not such a checkpoint, or of a network that is unknown or is not
            ``arch``: what was expected and what was found.
    """
    if arch is not None and arch not in PARAMETERS:
        raise ValueError(f'arch must be one of {", ".join(PARAMETERS)}, got {arch!r}')
    weights = _state_dict(checkpoint)
    known = next((family for family, (sign, _) in FAMILIES.items() if sign in weights), None)
    if known is None:
        raise ValueError(
            f"'model' holds no network of {', '.join(FAMILIES)}: found {len(weights)} keys, "
            f'{", ".join(list(weights)[:3])}, ...'
        )
    state = {_rename(key, known): value for key, value in weights.items()}
    if 'head.fc.weight' not in state:
        raise ValueError(f'found a {known} without {FAMILIES[known][1]}weight')
    name = _identify(state, known)
    if arch is not None and name != arch:
        raise ValueError(f'expected {arch}, found {name}')
    return name, state
