"""What both routes do with the row norms and row products of the two Gram matrices.

Write g and h for the same row of the student's and of the teacher's Gram matrix, a and b for
their norms, and Δ = g − h. One row adds ‖g/a − h/b‖² to the loss. Evaluated as 2 − 2 cos it
would lose every digit once the maps are close; the equal expression

    (‖Δ‖² − (a − b)²) / (a b),    a − b = (2 Δ·g − ‖Δ‖²) / (a + b)

keeps them, as long as Δ is known to its own precision. The loss of a row does not change when
h is multiplied, so h is brought to the size of g first: by factors so short that nothing is
rounded that matters.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SHORT, PIXELS = 5e-4, 1024
"""The least ‖ĝ − ĥ‖² of a row, 0 to 4, whose two float32 rows may be subtracted, up to so many
pixels; beyond them it grows with their square root, as rounding does. The gradient's error is
then at most about 8e-6, relative."""


def least_distance(s: Tensor, t: Tensor) -> float:
    """Return the least ‖ĝ − ĥ‖² of a row for cells (cells, C, P) and (cells, C, P')."""
    return SHORT * max(1.0, s.shape[2] / PIXELS, t.shape[2] / PIXELS) ** 0.5


class RowTerms(NamedTuple):
    """Per row: the loss, and ∂loss/∂g = weight · (Δ − along · g)."""

    loss: Tensor
    weight: Tensor
    along: Tensor


def _truncate(x: Tensor, single: int, double: int) -> Tensor:
    """Clear the bits of ``x`` that are not in the mask for its dtype."""
    if x.dtype == torch.float32:
        return (x.view(torch.int32) & single).view(x.dtype)
    return (x.view(torch.int64) & double).view(x.dtype)


def _or_one(x: Tensor, candidate: Tensor) -> Tensor:
    limits = torch.finfo(x.dtype)
    return torch.where((x >= limits.tiny) & (x <= limits.max / 2), candidate, 1.0)


def power_of_two(x: Tensor) -> Tensor:
    """Round ``x`` > 0 to a power of two; 1 where it is zero, not finite or denormal."""
    return _or_one(x, _truncate(x * 2**0.5, 0x7F800000, 0x7FF0000000000000))


def short_number(x: Tensor) -> Tensor:
    """Round ``x`` > 0 to 12 (float64: 26) significant bits; 1 where :func:`power_of_two` is."""
    bits = 2.0**-12 if x.dtype == torch.float32 else 2.0**-26
    return _or_one(x, _truncate(x + x * bits, ~0xFFF, ~0x7FFFFFF))


def scaled_difference(
    s: Tensor, t: Tensor, factor: Tensor, room: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Return ``s - factor * t``, rounded as if once where the two are close.

    Args:
        s: minuend.
        t: subtrahend before scaling.
        factor: a :func:`short_number`, which half of the digits of ``t`` multiply exactly.
        room: buffers of the shape of ``s`` to work in; the result is the second.
    """
    high, out = room or (torch.empty_like(t), torch.empty_like(s))
    whole, mask = (torch.int32, ~0xFFF) if t.dtype == torch.float32 else (torch.int64, ~0x7FFFFFF)
    torch.bitwise_and(t.view(whole), mask, out=high.view(whole))
    torch.addcmul(s, high, factor, value=-1, out=out)
    return out.addcmul_(torch.sub(t, high, out=high), factor, value=-1)


def row_terms(n: Tensor, b2: Tensor, dg: Tensor, dd: Tensor) -> RowTerms:
    """Return loss and gradient weights of rows in the row-normalised form.

    A row that is all zero on either side has no direction: it adds 1 (0 where both are zero)
    and gets no gradient. NaN in any argument stays NaN.

    Args:
        n: ‖g‖².
        b2: ‖h‖².
        dg: Δ·g.
        dd: ‖Δ‖².
    """
    a, b = n.clamp_min(0).sqrt(), b2.clamp_min(0).sqrt()
    ab = a * b
    live = ab != 0
    safe = torch.where(live, ab, 1.0)
    gap = (2 * dg - dd) / torch.where(live, a + b, 1.0)
    lone = ((a != 0) | (b != 0)).to(n.dtype)
    loss = torch.where(live, ((dd - gap * gap) / safe).clamp_min(0), lone)
    weight = torch.where(live, 2 / safe, 0.0)
    return RowTerms(loss, weight, dg / torch.where(live, n, 1.0))


def row_terms_apart(n: Tensor, b2: Tensor, gh: Tensor) -> RowTerms:
    """Return the same where only g·h is known; ∂loss/∂g = weight · (−h − along · g).

    This is 2 − 2 cos, which loses digits where the rows are close: pass float64.

    Args:
        n: ‖g‖².
        b2: ‖h‖².
        gh: g·h.
    """
    a, b = n.clamp_min(0).sqrt(), b2.clamp_min(0).sqrt()
    ab = a * b
    live = ab != 0
    safe = torch.where(live, ab, 1.0)
    lone = ((a != 0) | (b != 0)).to(n.dtype)
    loss = torch.where(live, (2 - 2 * gh / safe).clamp_min(0), lone)
    weight = torch.where(live, 2 / safe, 0.0)
    return RowTerms(loss, weight, -gh / torch.where(live, n, 1.0))
