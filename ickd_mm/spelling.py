"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(key: object, known: Iterable[str]) -> str:
    """Return '; did you mean X?' for the nearest of the known names, or nothing."""
    near = difflib.get_close_matches(str(key), list(known), n=1)
    return f'; did you mean {near[0]!r}?' if near else ''
