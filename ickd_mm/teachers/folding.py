r"""Fold the batch norms of a frozen model into its convolutions.

.. math::
    \gamma \frac{W x + b - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = W' x + b', \qquad
    W' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} W, \quad
    b' = \frac{\gamma (b - \mu)}{\sqrt{\sigma^2 + \epsilon}} + \beta

Which batch norm belongs to which convolution is not guessed from the order of modules: one
forward is watched, and a pair is folded only if the batch norm alone uses the convolution's output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from ..features.taps import Tap

try:
    from mmcv.cnn.bricks.wrappers import Conv2d as MMCVConv2d
except ImportError:
    MMCVConv2d = nn.Conv2d

CONVOLUTIONS = (nn.Conv2d, MMCVConv2d)
"""What is folded: exactly these, as a subclass may do anything with its weights."""


def _untouched(module: nn.Module) -> bool:
    """Whether no hook would notice a change of the module."""
    return not (module._forward_hooks or module._forward_pre_hooks)


class Watch(TorchDispatchMode):
    """Finds, as a context manager around a forward, convolutions that a batch norm alone reads.

    Args:
        model: the model that runs inside, in eval mode.
        taps: features asked for. A tapped module is never part of a pair, nor is a convolution
            whose own output appears in that of a tapped module, or in its input if that is tapped.
    """

    def __init__(self, model: nn.Module, taps: list[Tap]) -> None:
        super().__init__()
        self._tapped = {tap.find(model, 'teacher') for tap in taps}
        self._fed = {tap.find(model, 'teacher') for tap in taps if tap.input}
        self._convs = [m for m in model.modules() if type(m) in CONVOLUTIONS and _untouched(m)]
        norms = (m for m in model.modules() if isinstance(m, _BatchNorm) and _untouched(m))
        self._norms = [norm for norm in norms if norm.running_var is not None]

    def __enter__(self) -> Watch:
        self._made: dict[int, tuple[nn.Conv2d, Tensor]] = {}
        self._read: dict[_BatchNorm, int] = {}
        self._uses: Counter[int] = Counter()
        self._runs: Counter[nn.Module] = Counter()
        self._handles = [m.register_forward_hook(self._after_tapped) for m in self._tapped]
        self._handles += [m.register_forward_pre_hook(self._before_fed) for m in self._fed]
        self._handles += [m.register_forward_hook(self._after_conv) for m in self._convs]
        self._handles += [m.register_forward_pre_hook(self._before_norm) for m in self._norms]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def _after_conv(self, conv: nn.Conv2d, inputs: Any, output: Tensor) -> None:
        self._runs[conv] += 1
        self._made[id(output)] = conv, output  # held, so that no other tensor gets its id

    def _before_norm(self, norm: _BatchNorm, inputs: tuple) -> None:
        self._runs[norm] += 1
        if id(inputs[0]) in self._made:  # an id that is not held there may be given again
            self._read[norm] = id(inputs[0])

    def _after_tapped(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._uses.update(id(leaf) for leaf in tree_flatten(output)[0])

    def _before_fed(self, module: nn.Module, inputs: Any) -> None:
        self._uses.update(id(leaf) for leaf in tree_flatten(inputs)[0])

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func.namespace != 'prim':  # questions about a tensor, of its device for one
            ids = {id(x) for x in tree_flatten((args, kwargs))[0]}
            self._uses.update(ids & self._made.keys())
        return func(*args, **(kwargs or {}))

    def pairs(self) -> list[tuple[nn.Conv2d, _BatchNorm]]:
        """Return every (convolution, batch norm) that may become one."""
        found = []
        for norm, key in self._read.items():
            conv, _ = self._made[key]
            once = self._uses[key] == self._runs[conv] == self._runs[norm] == 1
            if once and not self._tapped & {conv, norm}:
                found.append((conv, norm))
        return found


@torch.no_grad()
def fold_batch_norms(model: nn.Module, pairs: list[tuple[nn.Conv2d, _BatchNorm]]) -> None:
    """Fold the batch norms of :meth:`Watch.pairs` and replace them by identities.

    The model is frozen and in eval mode. The new weights are computed in float64 and are new
    parameters; modules that share the old ones keep them.
    """
    for conv, norm in pairs:
        dtype = conv.weight.dtype
        given = (conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        double: Any = [None if x is None else x.double() for x in given]
        old, mean, var, gain, shift = double
        weight = conv.weight.double()
        weight, bias = fuse_conv_bn_weights(weight, old, mean, var, norm.eps, gain, shift)
        conv.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
        conv.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
    replace_modules(model, {norm: nn.Identity().eval() for _, norm in pairs})


def replace_modules(model: nn.Module, replacement: Mapping[nn.Module, nn.Module]) -> None:
    """Replace modules of a model by others, wherever they occur."""
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child is not None and child in replacement:
                parent._modules[name] = replacement[child]
