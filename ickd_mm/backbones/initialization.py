"""How the networks of the field start, as mmengine's ``init_cfg``."""

from __future__ import annotations

_NORM = dict(type='Constant', layer='BatchNorm2d', val=1.0, bias=0.0)

# Normal of variance 2 / fan-out, arXiv 1502.01852.
KAIMING = [dict(type='Kaiming', layer='Conv2d'), _NORM]

# Where the source leaves torch's own start: uniform of variance 1 / (3 fan-in).
TORCH = [
    dict(
        type='Kaiming',
        layer='Conv2d',
        a=5**0.5,
        mode='fan_in',
        nonlinearity='leaky_relu',
        distribution='uniform',
    ),
    _NORM,
]
