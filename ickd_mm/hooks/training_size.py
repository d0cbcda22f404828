"""Say what is distilled, after trying it with the size of the images that the run trains on."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from ..randomness import preserved_randomness
from ..registry import HOOKS
from ..wrappers import unwrapped


@HOOKS.register_module()
class TrainingSizeHook(Hook):
    """Compare one image of the training data with the size that the shapes were learned at.

    A config need not say how large its images are, and a pipeline may do anything. The run's random
    numbers stay as they are. Every distilled run gets this hook.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Take the first sample as training does, and check the pairs where the size differs.

        What is distilled is said then, in one piece, above the first iteration.

        Raises:
            ValueError: if a pair's maps do not go together at that size.
        """
        model = unwrapped(runner.model)
        if not hasattr(model, 'check_size'):
            return
        loader = runner.train_dataloader
        tried = '' if isinstance(loader.dataset, IterableDataset) else _try_pairs(model, loader)
        print_log(f'{model.summary()}\n{tried}'.strip(), 'current')


def _try_pairs(model: Any, loader: DataLoader) -> str:
    with preserved_randomness():
        batch: Any = loader.collate_fn([loader.dataset[0], loader.dataset[0]])
        images = model.data_preprocessor(batch, True)['inputs']
        if not isinstance(images, Tensor) or images.dim() != 4:
            return ''
        height, width = images.shape[-2], images.shape[-1]
        result = 'every pair fits them'
        try:
            model.check_size((height, width))
        except RuntimeError as error:  # no proof that training cannot: it runs otherwise
            result = f'the pairs could not be tried with them: {error}'
    return f'Training images are {height}x{width}; {result}'
