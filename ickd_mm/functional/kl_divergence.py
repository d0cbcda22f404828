"""Divergence between softened class probabilities, as a pure function.

Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv 1503.02531, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, logsigmoid

from .checks import check_same_shape, check_temperature
from .precision import work_dtype


def kl_divergence(
    student: Tensor, teacher: Tensor, tau: float = 1.0, use_sigmoid: bool = False
) -> Tensor:
    r"""Kullback-Leibler divergence of the student's softened probabilities from the teacher's.

    .. math::
        \frac{\tau^2}{N H W} \sum_{n, h, w} \sum_k p_k \log \frac{p_k}{q_k}, \qquad
        p = \operatorname{softmax}(t / \tau), \quad q = \operatorname{softmax}(s / \tau)

    :math:`\tau^2` keeps the gradient's size when the temperature changes (the source, end of
    section 2). With ``use_sigmoid`` every channel is a yes or no of its own,

    .. math::
        \frac{\tau^2}{N H W} \sum_{n, h, w} \sum_k p_k \log \frac{p_k}{q_k}
        + (1 - p_k) \log \frac{1 - p_k}{1 - q_k}, \qquad
        p = \sigma(t / \tau), \quad q = \sigma(s / \tau)

    which for one channel is the first form of the logits (0, s) and (0, t). Computed in float32
    whatever autocast says, in float64 for float64 logits.

    Args:
        student: logits (N, K), or (N, K, H, W) for one distribution per pixel.
        teacher: logits of the same shape; no gradient flows into them.
        tau: temperature above 0.
        use_sigmoid: for a head whose channels are sigmoids, as one with a single channel is.

    Returns:
        A scalar, at least 0 up to rounding.

    Raises:
        TypeError: for what is not a floating-point tensor.
        ValueError: if the shapes differ or are neither of the two, or ``tau`` is not positive.
    """
    check_temperature(tau)
    check_same_shape(student, teacher, (2, 4), '(N, K) or (N, K, H, W)')
    with torch.autocast(student.device.type, enabled=False):
        dtype = work_dtype(student, teacher)
        ours, theirs = student.to(dtype) / tau, teacher.detach().to(dtype) / tau
        if use_sigmoid:
            ours, theirs = (torch.cat([logsigmoid(x), logsigmoid(-x)], 1) for x in (ours, theirs))
        else:
            ours, theirs = log_softmax(ours, dim=1), log_softmax(theirs, dim=1)
        total = kl_div(ours, theirs, reduction='sum', log_target=True)
        return total * (tau * tau * student.shape[1] / student.numel())
