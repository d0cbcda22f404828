"""Unpickle from a list of names: torch before 2.6 takes none for its own ``weights_only`` reader.

Python's own unpickler does the work. It finds nothing but what the list holds, and sets the state
of nothing but plain instances, so that a file cannot change a class or a function of the list.
Source: Python's documentation of ``pickle``, "Restricting Globals".
"""

from __future__ import annotations

import codecs
import pickle
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, ClassVar

import torch

_BUILD = pickle.BUILD[0]
_UNPICKLER: Any = pickle._Unpickler  # type: ignore[attr-defined]
_TORCH = ('_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_parameter')


def reader_of(names: dict[str, Any], kinds: tuple[type, ...]) -> Any:
    """Return what :func:`torch.load` takes as ``pickle_module``.

    Args:
        names: what a file may name beside tensors and plain values, by ``module.name``.
        kinds: classes of the instances whose state a file may set.
    """
    allowed = {f'torch._utils.{name}': getattr(torch._utils, name) for name in _TORCH}
    for name in vars(torch):
        if isinstance(getattr(torch, name), torch.dtype):
            allowed[f'torch.{name}'] = getattr(torch, name)
        if name.endswith('Storage') and isinstance(getattr(torch, name), type):
            allowed[f'torch.{name}'] = getattr(torch, name)
    allowed |= {'torch.Size': torch.Size, 'torch.device': torch.device}
    allowed |= {'torch.nn.parameter.Parameter': torch.nn.Parameter}
    allowed |= {'collections.OrderedDict': OrderedDict, '_codecs.encode': codecs.encode} | names
    settable = (OrderedDict, *kinds)

    class Unpickler(_UNPICKLER):
        """Finds what is allowed, and nothing else."""

        dispatch: ClassVar = dict(_UNPICKLER.dispatch)

        def find_class(self, module: str, name: str) -> Any:
            """Return what the list has under this name.

            Raises:
                pickle.UnpicklingError: if it has nothing.
            """
            module = 'builtins' if module == '__builtin__' else module  # Python 2's, of protocol 2
            try:
                return allowed[f'{module}.{name}']
            except KeyError:
                raise pickle.UnpicklingError(f'Unsupported: {module}.{name}') from None

        def load_build(self) -> None:
            """Set the state of an instance."""
            kind = type(self.stack[-2])
            if kind not in settable:
                raise pickle.UnpicklingError(f'Unsupported: sets the state of a {kind.__name__}')
            _UNPICKLER.load_build(self)

        dispatch[_BUILD] = load_build

    def load(file: Any, **settings: Any) -> Any:
        return Unpickler(file, **settings).load()

    return SimpleNamespace(__name__='restricted', Unpickler=Unpickler, load=load)
