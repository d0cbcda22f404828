"""Losses between one student and one teacher tensor."""

from .icc import ICKDLoss

__all__ = ['ICKDLoss']
