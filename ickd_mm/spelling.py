"""Names in messages: the one that was probably meant, the first of many."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(key: object, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the nearest of the known names, or nothing."""
    near = difflib.get_close_matches(str(key), list(known), n=1)
    return f'; did you mean {near[0]!r}?' if near else ''


def refuse_unknown(
    keys: Iterable[str], known: Iterable[str], where: str, silent: Iterable[str] = ()
) -> None:
    """Make sure that a dict at ``where`` holds known keys only, or those that no message lists.

    Raises:
        KeyError: for the first key that is neither.
    """
    for key in keys:
        if key not in (*known, *silent):
            allowed = f'it may hold {", ".join(known)}{did_you_mean(key, known)}'
            raise KeyError(f'{where}: unknown key {key!r}; {allowed}')


def some(names: Iterable[str], most: int = 3) -> str:
    """Return the first names, and '...' where there are more."""
    listed = list(names)
    return ', '.join(listed[:most] + ['...'] * (len(listed) > most))
