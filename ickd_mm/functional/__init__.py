"""Losses as pure functions of tensors."""

from .channel_wise import channel_wise_divergence
from .icc import icc_loss, inter_channel_correlation
from .kl_divergence import kl_divergence

__all__ = [
    'channel_wise_divergence',
    'icc_loss',
    'inter_channel_correlation',
    'kl_divergence',
]
