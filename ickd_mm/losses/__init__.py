"""Losses between one student and one teacher tensor."""

from .channel_wise import ChannelWiseDivergence
from .icc import ICKDLoss
from .kl_divergence import KLDivergence
from .mse import MSELoss
from .torchdistill_loss import TorchdistillLoss

__all__ = ['ChannelWiseDivergence', 'ICKDLoss', 'KLDivergence', 'MSELoss', 'TorchdistillLoss']
