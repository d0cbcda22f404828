"""Divergence between where the channels of two maps are active, as a pure function.

Source: Shu, Liu, Gao, Yan, Shen, "Channel-wise Knowledge Distillation for Dense Prediction",
ICCV 2021, arXiv 2011.13256.
"""

from __future__ import annotations

from torch import Tensor

from .checks import check_same_shape
from .kl_divergence import kl_divergence


def channel_wise_divergence(student: Tensor, teacher: Tensor, tau: float = 4.0) -> Tensor:
    r"""Kullback-Leibler divergence between each channel's softmax over the positions.

    .. math::
        \frac{\tau^2}{N C} \sum_{n, c} \sum_i p_i \log \frac{p_i}{q_i}, \qquad
        p = \operatorname{softmax}_i(t_{nc} / \tau), \quad
        q = \operatorname{softmax}_i(s_{nc} / \tau)

    over the H·W positions i, averaged over the images of the batch. Computed in float32
    whatever autocast says, in float64 for float64 maps.

    Args:
        student: feature map or logits (N, C, H, W).
        teacher: the same shape; no gradient flows into it.
        tau: temperature above 0.

    Returns:
        A scalar, at least 0 up to rounding; 0 for maps of one position.

    Raises:
        TypeError: for what is not a floating-point tensor.
        ValueError: if the shapes differ or a map is not 4-D, or ``tau`` is not positive.
    """
    check_same_shape(student, teacher, (4,), '(N, C, H, W) map')
    ours, theirs = (x.flatten(2).flatten(0, 1) for x in (student, teacher))
    return kl_divergence(ours, theirs, tau)
