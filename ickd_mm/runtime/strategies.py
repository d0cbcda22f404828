"""mmengine's other way to train, FlexibleRunner with a strategy, refuses distillers.

It shares no hooks with ``Runner``: they are registered before the model is built, which may be the
first thing to import this package.
"""

from __future__ import annotations

import functools

from mmengine._strategy import BaseStrategy
from torch import nn

from ..preflight.config_keys import refusal


@functools.cache
def refuse_distillers() -> None:
    """Let every strategy of this process refuse to train a distiller, once it has built it."""
    initialize = BaseStrategy._init_model_weights

    @functools.wraps(initialize)
    def _init_model_weights(self: BaseStrategy, model: nn.Module) -> nn.Module:
        trains = 'train_micro_batch_size_per_gpu' in self.dispatch_kwargs
        if trains and hasattr(model, 'pair_factors'):
            raise ValueError(refusal(f'FlexibleRunner ({type(self).__name__})'))
        return initialize(self, model)

    BaseStrategy._init_model_weights = _init_model_weights
