"""Find a model's weights in a checkpoint, whatever they are wrapped in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

from torch import Tensor

KEYS = ('state_dict', 'model', 'teacher', 'model_state_dict', 'state_dict_ema')


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(v, Tensor) for v in value.values())


def find_state_dict(loaded: Any, ckpt: str) -> dict[str, Any]:
    """Return the state dict in what a checkpoint file holds.

    That is the file itself, the only dict of tensors in it, or the first one of :data:`KEYS`.

    Raises:
        ValueError: if there is none, or several and none of these, with the keys that there are.
    """
    top = loaded if isinstance(loaded, dict) else {}
    inside = {key: value for key, value in top.items() if _holds_tensors(value)}
    known = [key for key in KEYS if key in inside]
    if known:
        return inside[known[0]]
    if _holds_tensors(loaded):
        return loaded
    if len(inside) == 1:
        return next(iter(inside.values()))
    keys = ', '.join(map(repr, top)) or f'a {type(loaded).__name__}'
    which = 'several, and none is called' if inside else 'no state dict, under none of'
    raise ValueError(
        f'teacher_ckpt {ckpt!r} holds {which} {", ".join(KEYS)}; it has {keys}: save the one '
        "you mean as {'state_dict': ...}"
    )


def renamed(state: dict[str, Any], names: Collection[str]) -> tuple[dict[str, Any], str, str]:
    """Rename a state dict's keys to a model's.

    One prefix may be taken off (``module.``, ``model.``, ``_orig_mod.``), and the name of one
    child put on, where the file holds that child alone; whatever fits most names.

    Args:
        state: weights as the file has them.
        names: the model's own keys.

    Returns:
        The renamed weights, what was taken off, what was put on. Keys without the prefix stay.

    Raises:
        ValueError: if two prefixes fit as well, with different weights.
    """
    parts = [key.split('.') for key in state]
    off = dict.fromkeys('.'.join([*p[:n], '']) for n in (0, 1, 2) for p in parts if len(p) > n)
    on = dict.fromkeys(['', *(name.split('.')[0] + '.' for name in names if '.' in name)])
    known, found = set(names), {}
    for prefix in off:
        bare = [(key, key[len(prefix) :]) for key in state if key.startswith(prefix)]
        for child in on:
            found[prefix, child] = frozenset(key for key, rest in bare if child + rest in known)
    most = max(found.values(), key=len, default=frozenset())
    best = [way for way, keys in found.items() if len(keys) == len(most)]
    taken, put = ('', '') if ('', '') in best or not best else best[0]
    others = [way for way in best if found[way] != most]
    if not (taken or put):
        return state, '', ''
    if others:
        first, second = taken, others[0][0]
        raise ValueError(
            f'weights under {first!r} and under {second!r} fit: save only the ones you mean'
        )

    def new(key: str) -> str:
        return put + key[len(taken) :] if key.startswith(taken) else key

    weights: Any = OrderedDict((new(key), value) for key, value in state.items())
    versions = getattr(state, '_metadata', {})  # of modules, by their paths
    weights._metadata = {new(f'{path}.')[:-1]: version for path, version in versions.items()}
    return weights, taken, put
