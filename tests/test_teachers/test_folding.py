"""Which batch norms are folded, which must not be, and that nothing changes by it."""

import pytest
import torch
from torch import nn

from ickd_mm.features.taps import Tap
from ickd_mm.teachers.folding import Watch, fold_batch_norms


class Net(nn.Module):
    """Two convolutions with batch norms, then whatever the case adds."""

    def __init__(self, **parts):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8, eps=1e-3)
        for name, part in parts.items():
            setattr(self, name, part)

    def first(self, x):
        return self.bn1(self.conv1(x)).relu_()

    def forward(self, x):
        return self.bn2(self.conv2(self.first(x)))


def make(kind=Net, **parts):
    torch.manual_seed(0)
    net = kind(**parts).eval()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.1, 3)
            if module.weight is not None:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return net.requires_grad_(False)


def watched(net, *taps):
    watch = Watch(net, [Tap.parse(tap) for tap in taps])
    with torch.no_grad(), watch:
        net(torch.randn(2, 3, 9, 9))
    names = {module: name for name, module in net.named_modules()}
    return [(names[conv], names[norm]) for conv, norm in watch.pairs()], watch.pairs()


def assert_same(net, pairs):
    images = torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        before = net(images)
        fold_batch_norms(net, pairs)
        after = net(images)
    error = (after.double() - before.double()).norm() / before.double().norm()
    assert error < 1e-6


def test_every_pair_is_found_and_folded_exactly():
    net = make()
    names, pairs = watched(net, 'bn2')  # a tapped module is left alone
    assert names == [('conv1', 'bn1')]
    names, pairs = watched(net, 'conv2')
    assert names == [('conv1', 'bn1')]
    names, pairs = watched(make(Net), 'conv1')
    assert names == [('conv2', 'bn2')]
    net = make(head=nn.Identity())
    names, pairs = watched(net)
    assert names == [('conv1', 'bn1'), ('conv2', 'bn2')]
    assert_same(net, pairs)
    assert isinstance(net.bn1, nn.Identity)
    assert isinstance(net.bn2, nn.Identity)
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize('affine', [True, False])
def test_batch_norm_without_gain_and_shift(affine):
    net = make(bn2=nn.BatchNorm2d(8, affine=affine))
    assert_same(net, watched(net)[1])


def test_float64_weights_keep_their_digits():
    net = make().double()
    images = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    before = net(images)
    with Watch(net, []) as watch:
        net(images)
    fold_batch_norms(net, watch.pairs())
    assert net.conv1.weight.dtype == torch.float64
    torch.testing.assert_close(net(images), before, rtol=1e-12, atol=1e-12)


class Skips(Net):
    """The convolution's output is used beside its batch norm."""

    def forward(self, x):
        y = self.conv1(x)
        return self.bn1(y) + y


class Changes(Net):
    """Something happens between the two."""

    def forward(self, x):
        return self.bn1(self.conv1(x).relu_())


class Twice(Net):
    """One convolution, two readers."""

    def forward(self, x):
        y = self.conv1(x)
        return self.bn1(y) + self.bn2(y)


class Repeats(Net):
    """One batch norm for two convolutions."""

    def forward(self, x):
        return self.bn1(self.conv2(self.bn1(self.conv1(x))))


class Before(Net):
    """The batch norm comes first, as in pre-activated networks."""

    def forward(self, x):
        return self.conv2(self.bn1(self.conv1(x)).relu()) + 0 * self.bn2(self.conv1(x)).mean()


class Returns(Net):
    """A tapped part hands out what the convolution gave."""

    def forward(self, x):
        _raw, normed = self.part(x)
        return normed


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, x):
        y = self.conv(x)
        return y, self.bn(y)


@pytest.mark.parametrize('kind', [Skips, Changes, Twice, Repeats, Before])
def test_what_cannot_be_folded_is_not(kind):
    names, _pairs = watched(make(kind))
    assert names == []


def test_a_tapped_part_that_gives_the_convolutions_own_output():
    net = make(Returns, part=Part())
    assert watched(net, 'part[0]')[0] == []
    assert watched(net, 'part[1]')[0] == []
    assert watched(net)[0] == [('part.conv', 'part.bn')]


class Scaled(nn.Conv2d):
    """A subclass may treat its weights as it likes."""

    def forward(self, x):
        return super().forward(x) * self.weight.abs().max()


@pytest.mark.parametrize(
    'parts',
    [
        dict(conv1=Scaled(3, 8, 3, padding=1)),
        dict(conv1=nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3, padding=1))),
        dict(bn1=nn.BatchNorm2d(8, track_running_stats=False)),
        dict(bn1=nn.GroupNorm(2, 8)),
        dict(bn1=nn.InstanceNorm2d(8, track_running_stats=True)),
    ],
)
def test_other_kinds_are_left_alone(parts):
    names, _pairs = watched(make(**parts))
    assert names == [('conv2', 'bn2')]


def test_modules_with_hooks_are_left_alone():
    net = make()
    net.conv1.register_forward_hook(lambda *_: None)
    assert watched(net)[0] == [('conv2', 'bn2')]


def test_shared_weights_stay_with_the_other_owner():
    net = make()
    twin = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    twin.weight = net.conv1.weight
    before = twin.weight.clone()
    fold_batch_norms(net, watched(net)[1])
    assert torch.equal(twin.weight, before)


def test_no_hook_is_left_behind():
    net = make()
    watched(net, 'bn1')
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
