"""The field's networks as plain functions, with the key names of HobbitLong/RepDistiller.

A forward makes a weight where it first needs it, so one run on images gives logits and the
state dict that belongs to them.
"""

import torch
from torch.nn import functional as F


class Weights:
    """Makes and keeps weights under their keys; float64."""

    def __init__(self):
        self.state = {}
        self.generator = torch.Generator().manual_seed(0)

    def _normal(self, *shape):
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def conv(self, x, key, out, size, stride=1, groups=1, bias=False):
        shape = (out, x.shape[1] // groups, size, size)
        weight = self._normal(*shape) / (shape[1] * size * size) ** 0.5
        self.state[f'{key}.weight'] = weight
        offset = self._normal(out) if bias else None
        if bias:
            self.state[f'{key}.bias'] = offset
        return F.conv2d(x, weight, offset, stride, padding=size // 2, groups=groups)

    def bn(self, x, key):
        channels = x.shape[1]
        mean, var = 0.1 * self._normal(channels), self._normal(channels).abs() + 0.5
        weight, bias = 1 + 0.1 * self._normal(channels), 0.1 * self._normal(channels)
        self.state |= {f'{key}.weight': weight, f'{key}.bias': bias}
        self.state |= {f'{key}.running_mean': mean, f'{key}.running_var': var}
        self.state[f'{key}.num_batches_tracked'] = torch.tensor(7)
        shape = (1, -1, 1, 1)
        x = (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
        return x * weight.view(shape) + bias.view(shape)

    def linear(self, x, key, classes=100):
        x = x.mean((2, 3))
        self.state[f'{key}.weight'] = self._normal(classes, x.shape[1])
        self.state[f'{key}.bias'] = self._normal(classes)
        return x @ self.state[f'{key}.weight'].T + self.state[f'{key}.bias']


def resnet(w, x, depth, stem, widths, classes=100):
    x = w.bn(w.conv(x, 'conv1', stem, 3), 'bn1').relu()
    for stage, width in enumerate(widths, 1):
        for block in range((depth - 2) // 6):
            key, stride = f'layer{stage}.{block}', 2 if stage > 1 and block == 0 else 1
            y = w.bn(w.conv(x, f'{key}.conv1', width, 3, stride), f'{key}.bn1').relu()
            y = w.bn(w.conv(y, f'{key}.conv2', width, 3), f'{key}.bn2')
            if x.shape != y.shape:
                x = w.conv(x, f'{key}.downsample.0', width, 1, stride)
                x = w.bn(x, f'{key}.downsample.1')
            x = (x + y).relu()
    return w.linear(x, 'fc', classes)


def resnet50(w, x):
    x = w.bn(w.conv(x, 'conv1', 64, 3), 'bn1').relu()
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            key, stride = f'layer{stage}.{block}', 2 if stage > 1 and block == 0 else 1
            y = w.bn(w.conv(x, f'{key}.conv1', width, 1), f'{key}.bn1').relu()
            y = w.bn(w.conv(y, f'{key}.conv2', width, 3, stride), f'{key}.bn2').relu()
            y = w.bn(w.conv(y, f'{key}.conv3', 4 * width, 1), f'{key}.bn3')
            if x.shape != y.shape:
                x = w.conv(x, f'{key}.shortcut.0', 4 * width, 1, stride)
                x = w.bn(x, f'{key}.shortcut.1')
            x = (x + y).relu()
    return w.linear(x, 'linear')


def wide_resnet(w, x, depth, factor):
    x = w.conv(x, 'conv1', 16, 3)
    for stage in (1, 2, 3):
        width = 8 * factor * 2**stage
        for block in range((depth - 4) // 6):
            key, stride = f'block{stage}.layer.{block}', 2 if stage > 1 and block == 0 else 1
            active = w.bn(x, f'{key}.bn1').relu()
            y = w.bn(w.conv(active, f'{key}.conv1', width, 3, stride), f'{key}.bn2').relu()
            y = w.conv(y, f'{key}.conv2', width, 3)
            if x.shape[1] != width:
                x = w.conv(active, f'{key}.convShortcut', width, 1, stride)
            x = x + y
    return w.linear(w.bn(x, 'bn1').relu(), 'fc')


def vgg(w, x, each):
    for block, width in enumerate((64, 128, 256, 512, 512)):
        for n in range(each):
            x = w.conv(x, f'block{block}.{3 * n}', width, 3, bias=True)
            x = w.bn(x, f'block{block}.{3 * n + 1}').relu()
        if block < 3:
            x = F.max_pool2d(x, 2)
    return w.linear(x, 'classifier')


def mobilenet_v2(w, x):
    x = w.bn(w.conv(x, 'conv1.0', 16, 3, 2), 'conv1.1').relu()
    widths, blocks = (8, 12, 16, 32, 48, 80, 160), (1, 2, 3, 4, 3, 3, 1)
    for stage, (width, count) in enumerate(zip(widths, blocks)):
        for block in range(count):
            key = f'blocks.{stage}.{block}.conv'
            stride = 2 if stage in (2, 3, 5) and block == 0 else 1
            inner = x.shape[1] * (1 if stage == 0 else 6)
            y = w.bn(w.conv(x, f'{key}.0', inner, 1), f'{key}.1').relu()
            y = w.bn(w.conv(y, f'{key}.3', inner, 3, stride, groups=inner), f'{key}.4').relu()
            y = w.bn(w.conv(y, f'{key}.6', width, 1), f'{key}.7')
            x = x + y if x.shape == y.shape else y
    x = w.bn(w.conv(x, 'conv2.0', 1280, 1), 'conv2.1').relu()
    return w.linear(x, 'classifier.0')


def shuffled(x, groups):
    order = torch.arange(x.shape[1]).view(groups, -1).T.flatten()
    return x[:, order]


def shufflenet_v1(w, x):
    x = w.bn(w.conv(x, 'conv1', 24, 1), 'bn1').relu()
    for stage, (width, units) in enumerate(((240, 4), (480, 8), (960, 4)), 1):
        for unit in range(units):
            key, stride = f'layer{stage}.{unit}', 1 if unit else 2
            made = width if unit else width - x.shape[1]
            inner, groups = made // 4, 1 if x.shape[1] == 24 else 3
            y = w.bn(w.conv(x, f'{key}.conv1', inner, 1, groups=groups), f'{key}.bn1').relu()
            y = w.conv(shuffled(y, groups), f'{key}.conv2', inner, 3, stride, groups=inner)
            y = w.conv(w.bn(y, f'{key}.bn2').relu(), f'{key}.conv3', made, 1, groups=3)
            y = w.bn(y, f'{key}.bn3')
            x = (x + y if unit else torch.cat((y, F.avg_pool2d(x, 3, 2, 1)), 1)).relu()
    return w.linear(x, 'linear')


def shufflenet_v2(w, x):
    x = w.bn(w.conv(x, 'conv1', 24, 1), 'bn1').relu()
    for stage, (width, units) in enumerate(((116, 4), (232, 8), (464, 4)), 1):
        half = width // 2
        for unit in range(units):
            key, first = f'layer{stage}.{unit}', 1
            if unit == 0:
                left = w.conv(x, f'{key}.conv1', x.shape[1], 3, 2, groups=x.shape[1])
                left = w.conv(w.bn(left, f'{key}.bn1'), f'{key}.conv2', half, 1)
                left, y, first = w.bn(left, f'{key}.bn2').relu(), x, 3
            else:
                left, y = x[:, :half], x[:, half:]
            stride = 1 if unit else 2
            y = w.bn(w.conv(y, f'{key}.conv{first}', half, 1), f'{key}.bn{first}').relu()
            y = w.conv(y, f'{key}.conv{first + 1}', half, 3, stride, groups=half)
            y = w.conv(w.bn(y, f'{key}.bn{first + 1}'), f'{key}.conv{first + 2}', half, 1)
            y = w.bn(y, f'{key}.bn{first + 2}').relu()
            x = shuffled(torch.cat((left, y), 1), 2)
    x = w.bn(w.conv(x, 'conv2', 1024, 1), 'bn2').relu()
    return w.linear(x, 'linear')
