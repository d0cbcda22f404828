"""Losses as pure functions of tensors."""

from .icc import icc_loss, inter_channel_correlation

__all__ = ['icc_loss', 'inter_channel_correlation']
