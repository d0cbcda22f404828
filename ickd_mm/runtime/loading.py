"""Say how much of a model a checkpoint fills; a checkpoint that fills nothing is an error.

mmengine (0.10.7, onedl 0.10.12) prints the keys that do not match, hundreds at times, and trains or
tests on whatever the model held.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import Tensor, nn

from ..checkpoint.packing import OWN_PARTS
from ..spelling import some
from ..teachers.state_dicts import renamed
from ..wrappers import unwrapped


class NothingLoaded(ValueError):
    """A checkpoint and a model have no tensor in common."""


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what a student's checkpoint should fill: a distiller's own parts are not in it."""
    own = OWN_PARTS if hasattr(model, 'pair_factors') else ()
    for path, part in model.named_modules():
        kept = {k: b for k, b in part._buffers.items() if k not in part._non_persistent_buffers_set}
        for key, tensor in {**part._parameters, **kept}.items():
            name = f'{path}.{key}' if path else key
            if tensor is not None and key != 'num_batches_tracked' and not name.startswith(own):
                yield name, tensor


def _mismatch(given: dict[str, Any], wanted: dict[str, Tensor]) -> str:
    """Say why no tensor fits, and what to do about it."""
    for key in (key for key in given if key in wanted):
        ours, theirs = tuple(wanted[key].shape), tuple(given[key].shape)
        return f'{key} is {theirs} there and {ours} in the model: is it from another model?'
    text = f'its keys are {some(given) or "none"}, the model has {some(wanted)}'
    remedy = 'is it from another model?'
    with suppress(ValueError):  # two prefixes fit
        _, taken, put = renamed(given, wanted)
        if put:
            init = f"{put}init_cfg=dict(type='Pretrained', checkpoint=...)"
            remedy = f'put {put!r} in front of the keys, or set {init} in the model'
        if taken:
            remedy = f'remove {taken!r} from the keys; in init_cfg set prefix={taken[:-1]!r}'
    return f'{text}: {remedy}'


def _report(given: dict[str, Any], wanted: dict[str, Tensor], missing: list[str]) -> None:
    if missing and len(missing) == len(wanted):
        raise NothingLoaded(
            f'no tensor of the checkpoint fits the model: {_mismatch(given, wanted)}'
        )
    if missing:
        count = f'{len(wanted) - len(missing)} of {len(wanted)} tensors'
        text = f'Loaded {count}; not in the checkpoint, or of another shape: {some(missing)}'
        print_log(text, 'current', logging.WARNING)


@functools.cache
def watch_loading() -> None:
    """Let mmengine's loading report what it filled: ``load_from``, ``Pretrained``, tests."""
    load, load_runner = mmengine_checkpoint.load_state_dict, Runner.load_checkpoint

    @functools.wraps(load)
    def load_state_dict(module: Any, state_dict: Any, *args: Any, **kwargs: Any) -> None:
        wanted = dict(_tensors(unwrapped(module)))
        before = {name: (id(tensor), tensor._version) for name, tensor in wanted.items()}
        load(module, state_dict, *args, **kwargs)
        after = dict(_tensors(unwrapped(module)))  # a module may put new tensors in
        same = ((name, (id(after[name]), after[name]._version)) for name in after)
        missing = [name for name, state in same if before.get(name) == state]
        _report(state_dict, wanted, missing)

    @functools.wraps(load_runner)
    def load_checkpoint(self: Runner, filename: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return load_runner(self, filename, *args, **kwargs)
        except NothingLoaded as error:
            raise ValueError(f'load_from = {filename!r}: {error}') from error

    mmengine_checkpoint.load_state_dict = load_state_dict
    Runner.load_checkpoint = load_checkpoint
