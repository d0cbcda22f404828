"""Losses as pure functions of tensors."""

from .icc import icc_loss, inter_channel_correlation
from .kl_divergence import kl_divergence

__all__ = ['icc_loss', 'inter_channel_correlation', 'kl_divergence']
