"""Find the weights that a teacher's features depend on."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from ..features.taps import Capture
from .options import DTYPES


class NeededWeights(TorchDispatchMode):
    """Notes, as a context manager around a forward, what is read up to the last tap.

    That is every weight that an operator takes, and those of every module that runs (operators of
    mmcv's own take theirs unseen).

    Args:
        model: the model that runs inside.
        capture: collects the taps; what runs after the last of them is not noted.
    """

    def __init__(self, model: nn.Module, capture: Capture) -> None:
        super().__init__()
        self._model, self._capture = model, capture

    def __enter__(self) -> NeededWeights:
        self._read: set[int] = set()
        self._ran: set[nn.Module] = set()
        self._handle = register_module_forward_pre_hook(self._before)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._handle.remove()

    @property
    def complete(self) -> bool:
        """Whether the last tap was reached."""
        return self._capture.complete

    def _before(self, module: nn.Module, inputs: Any) -> None:
        if not self.complete:
            self._ran.add(module)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if not self.complete:
            leaves = tree_flatten((args, kwargs))[0]
            self._read.update(id(x) for x in leaves if isinstance(x, Tensor))
        return func(*args, **(kwargs or {}))

    def names(self) -> set[str]:
        """Names of the parameters and buffers, as the model knows them."""
        named = [*self._model.named_parameters(), *self._model.named_buffers()]
        modules = dict(self._model.named_modules())
        return {
            name
            for name, tensor in named
            if id(tensor) in self._read or modules[name.rpartition('.')[0]] in self._ran
        }

    def share(self) -> str:
        """Say how many of the model's parameters run up to the last tap."""
        needed, sizes = self.names(), {n: p.numel() for n, p in self._model.named_parameters()}
        ran = sum(size for name, size in sizes.items() if name in needed)
        return f'{ran:,} of its {sum(sizes.values()):,} parameters run'

    def memory(self, dtype: str | None) -> str:
        """Say how much memory all of the model's weights take in ``dtype``; None: in their own."""
        sizes = [(p.numel(), DTYPES[dtype] if dtype else p.dtype) for p in self._model.parameters()]
        used = sum(count * kind.itemsize for count, kind in sizes)
        kinds = sorted({str(kind).replace('torch.', '') for _, kind in sizes})
        return f'its weights take {used / 2**20:.1f} MiB in {" and ".join(kinds)}'
