"""Losses between one student and one teacher tensor."""

from .icc import ICKDLoss
from .kl_divergence import KLDivergence

__all__ = ['ICKDLoss', 'KLDivergence']
