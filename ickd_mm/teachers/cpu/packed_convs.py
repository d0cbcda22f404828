"""Keep the weights of a frozen model's convolutions in the layout of the CPU's kernels.

oneDNN, which computes PyTorch's convolutions on a CPU, has its own layout for weights and
reorders them at every call. The weights of a frozen model never change, so they are reordered
once, by the operators that ``torch.compile`` uses for that, and back when the model moves. Wide
3×3 convolutions use transformed weights instead (:mod:`.winograd`) where that is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..folding import CONVOLUTIONS, replace_modules
from .winograd import Buffers, transform_weights, winograd_conv2d, winograd_pays


def can_pack() -> bool:
    """Whether this PyTorch has the operators, on this machine."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, '_reorder_convolution_weight')
        and hasattr(torch.ops.mkldnn, '_convolution_pointwise')
    )


class PackedConvolution(nn.Module):
    """Replaces a convolution and holds its weights in the CPU's layout.

    The layout is chosen for the size of the first input, by sizes alone and not by timing, so
    that the same run chooses the same again. Inputs of other sizes are computed too.

    Args:
        conv: a float32 ``nn.Conv2d`` with zero padding on a CPU; it may be left without weights
            until :meth:`unpack`.
        buffers: where to work with transformed weights, which are four times as large and kept
            beside its own; None forbids them.
    """

    _conv: Any  # an nn.Conv2d, whose weight is None while it is packed

    def __init__(self, conv: nn.Conv2d, buffers: Buffers | None = None) -> None:
        super().__init__()
        self.training = False
        self._settings = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self._workspace = buffers
        self._packed: Tensor | None = None
        self._transformed: Tensor | None = None
        object.__setattr__(self, '_conv', conv)  # not a child: it has no weights to move

    def unpack(self) -> nn.Conv2d:
        """Give the weights back, bit for bit, and return the convolution."""
        conv = self._conv
        if self._packed is not None:
            conv.weight = nn.Parameter(self._packed.to_dense(), requires_grad=False)
        self._packed = self._transformed = None
        return conv

    def _prepare(self, shape: torch.Size) -> None:
        conv = self._conv
        if self._workspace is not None and winograd_pays(conv, shape):
            self._transformed = transform_weights(conv.weight)
            return
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight, *self._settings, list(shape)
        )
        conv.weight = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of (N, C, H, W), channels last in memory."""
        conv = self._conv
        if self._packed is None and self._transformed is None:
            if type(x) is not Tensor:  # a fake one, say: its weights would be fake for good
                return conv(x)
            self._prepare(x.shape)
        if self._transformed is not None:
            settings = conv.padding[0], conv.dilation[0], self._workspace
            return winograd_conv2d(x, self._transformed, conv.bias, *settings)
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._packed, conv.bias, *self._settings, 'none', [], ''
        )


def _fits(module: Any) -> bool:
    return (
        type(module) in CONVOLUTIONS
        and module.padding_mode == 'zeros'
        and not isinstance(module.padding, str)
        and module.weight.dtype == torch.float32
        and module.weight.device.type == 'cpu'
        and not (module._forward_hooks or module._forward_pre_hooks)
    )


def pack(model: nn.Module, keep: set[nn.Module], winograd: bool = True) -> None:
    """Replace what can be packed; the arguments are those of :func:`use_cpu_kernels`."""
    buffers = Buffers() if winograd else None
    convs: list[Any] = [m for m in model.modules() if m not in keep and _fits(m)]
    shared = [c for c in convs if sum(c.weight is other.weight for other in convs) > 1]
    replace_modules(model, {c: PackedConvolution(c, buffers) for c in convs if c not in shared})


def unpack(model: nn.Module) -> None:
    """Put the convolutions back; undoes :func:`pack`."""
    packed = [m for m in model.modules() if isinstance(m, PackedConvolution)]
    replace_modules(model, {module: module.unpack() for module in packed})


def use_cpu_kernels(
    model: nn.Module, wanted: bool, keep: set[nn.Module], winograd: bool = True
) -> None:
    """Switch a frozen model's convolutions to the CPU's own weight layout, or back.

    Does nothing where this PyTorch does not have the operators.

    Args:
        model: frozen, in eval mode, on a CPU, with its images in channels-last memory.
        wanted: whether to use them.
        keep: modules to leave as they are.
        winograd: whether wide 3×3 convolutions may use transformed weights.
    """
    if not wanted:
        unpack(model)
    elif can_pack():
        pack(model, keep, winograd)
