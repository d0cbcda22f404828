"""Knowledge distillation by inter-channel correlation for OpenMMLab models.

Names are imported when first used, so that the losses need nothing beyond torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .runtime.stack import apply_compat_patches
from .version import __version__

NETWORKS = (
    'CIFARMobileNetV2',
    'CIFARResNet',
    'CIFARShuffleNetV1',
    'CIFARShuffleNetV2',
    'CIFARVGG',
    'CIFARWideResNet',
)
_HOMES = {
    **dict.fromkeys(NETWORKS, '.backbones'),
    'ChannelWiseDivergence': '.losses',
    'ConvConnector': '.connectors',
    'FeatureDistiller': '.distillers',
    'ICKDLoss': '.losses',
    'KLDivergence': '.losses',
    'MSELoss': '.losses',
    'TorchdistillLoss': '.losses',
    'VIDRegressor': '.connectors',
    'channel_wise_divergence': '.functional',
    'icc_loss': '.functional',
    'inter_channel_correlation': '.functional',
    'kl_divergence': '.functional',
}

__all__ = ['__version__', *_HOMES]

apply_compat_patches()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted(__all__)
