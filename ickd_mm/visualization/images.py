"""Read images as a config's validation reads them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner import Runner
from torch import Tensor

from ..registry import type_name

LABELS = 'LoadAnnotations'


def build_loader(cfg: Config, keys: Sequence[str]) -> Any:
    """Build the first data loader that the config has under these keys, without processes.

    Raises:
        ValueError: if it has none.
    """
    found = next((cfg[key] for key in keys if isinstance(cfg.get(key), dict)), None)
    if found is None:
        raise ValueError(f'the config has no {" or ".join(keys)}')
    found = copy.deepcopy(found)
    for key in ('persistent_workers', 'prefetch_factor', 'multiprocessing_context'):
        found.pop(key, None)
    found['num_workers'] = 0
    return Runner.build_dataloader(found)


def _file_pipeline(dataset: Any) -> Compose:
    """Return a data set's pipeline without labels.

    Raises:
        ValueError: if it reads no image files.
    """
    while dataset.get('pipeline') is None and (dataset.get('dataset') or dataset.get('datasets')):
        dataset = dataset.get('dataset') or dataset['datasets'][0]
    steps = [step for step in dataset.get('pipeline') or () if type_name(step) != LABELS]
    if not any(type_name(step).startswith('LoadImage') for step in steps):
        name = type_name(dataset)
        raise ValueError(
            f'the validation data ({name}) are not read from image files: give numbers of samples'
        )
    return Compose(steps)


def read_images(cfg: Config, images: Sequence[str | int]) -> tuple[list[str], list[Any]]:
    """Read images through the pipeline of the validation data.

    Args:
        cfg: a whole config.
        images: files, or numbers of samples of the validation set, from 0.

    Returns:
        A name for each image, and batches: one where all have the same size, else one for each.

    Raises:
        ValueError: if there are no images, no such sample, or no validation data in the config.
        FileNotFoundError: for a file that does not exist.
    """
    if not images:
        raise ValueError('images is empty: give files, or numbers of validation samples')
    keys = 'val_dataloader', 'test_dataloader'
    loader = build_loader(cfg, keys)
    names, samples = [], []
    for image in images:
        if isinstance(image, int) or image.isdecimal():
            number, count = int(image), len(loader.dataset)
            if not 0 <= number < count:
                raise ValueError(f'images: no sample {number}, the validation set has {count}')
            sample = loader.dataset[number]
            names.append(f'validation image {number}')
        else:
            if not Path(image).is_file():
                raise FileNotFoundError(f'images: no file {image!r}')
            found = next(cfg[key] for key in keys if isinstance(cfg.get(key), dict))
            sample = _file_pipeline(found.dataset)(dict(img_path=image))
            names.append(Path(image).name)
        samples.append(dict(inputs=sample['inputs']))  # not every sample has labels
    same = len({tuple(sample['inputs'].shape) for sample in samples}) == 1
    groups = [samples] if same else [[sample] for sample in samples]
    return names, [loader.collate_fn(group) for group in groups]


def thumbnails(inputs: Tensor, preprocessor: Any) -> list[np.ndarray]:
    """Undo the normalisation of (N, C, H, W) images, for looking at: (H, W, 3) from 0 to 1."""
    images = inputs.float()
    if isinstance(getattr(preprocessor, 'mean', None), Tensor):
        images = images * preprocessor.std + preprocessor.mean
    low, high = images.amin((1, 2, 3), True), images.amax((1, 2, 3), True)
    images = ((images - low) / (high - low).clamp_min(1e-6)).permute(0, 2, 3, 1)
    return list(images[..., [0, 0, 0] if images.shape[3] < 3 else [0, 1, 2]].cpu().numpy())
