"""Name the file of a sample that cannot be used."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..wrappers import unwrapped

IGNORED = 255
_FILES = ('img_path', 'seg_map_path')
_WITHOUT = (
    '; model.supervised=False needs no labels: leave out of the pipeline what reads them '
    '(LoadAnnotations, cat_max_ratio of RandomCrop)'
)
_NO_SAMPLE = 'need at least one array to concatenate'
"""What mmengine's data sets say where they keep no sample."""
_KEEPS_NONE = (
    'a data set keeps no sample: its list is empty, its metainfo has none of the classes in it, or '
    'filter_cfg drops every image (filter_empty_gt=True: those without boxes)'
)


class NamingPipeline(Compose):
    """A data set's pipeline whose errors name the sample's files, labels included.

    Args:
        pipeline: the pipeline to run.
        classes: number of classes; labels must be in [0, classes) or ``ignored``.
        ignored: labels that mean no label.
        strict: raise for another label; else warn once per file. mmseg's evaluation tolerates
            such labels; what the model predicts there counts as wrong.
        labelled: whether labels are used at all; if not, every label may be there.
    """

    def __init__(
        self,
        pipeline: Compose,
        classes: int,
        ignored: set[int],
        strict: bool,
        labelled: bool = True,
    ) -> None:
        self.transforms = pipeline.transforms
        self.labelled = labelled
        self.classes, self.ignored, self.strict = classes, ignored, strict
        self._warned: set[str] = set()

    def __call__(self, data: dict) -> Any:
        """Run the pipeline on one sample.

        Raises:
            ValueError: naming the files of a sample that fails, or whose labels are outside the
                classes.
        """
        files = {key: data[key] for key in _FILES if isinstance(data.get(key), str)}
        try:
            made = super().__call__(data)
        except Exception as error:
            named = ', '.join(f'{key} {file!r}' for key, file in files.items())
            hint = '' if self.labelled else _WITHOUT
            what = f'{type(error).__name__}: {error}{hint}'
            raise ValueError(f'cannot prepare the sample with {named}: {what}') from error
        file = files.get('seg_map_path') or files.get('img_path', 'a sample')
        wrong = self._outside(made)
        if not wrong or file in self._warned:
            return made
        none = ' and '.join(map(str, sorted(self.ignored)))
        message = (
            f'{file!r} holds labels {wrong}, outside the {self.classes} classes of the data '
            f'set (0 to {self.classes - 1}, {none} for pixels to ignore)'
        )
        if self.strict:
            raise ValueError(message)
        self._warned.add(file)
        print_log(f'{message}; every prediction there counts as wrong', 'current', logging.WARNING)
        return made

    def _outside(self, made: Any) -> list[int]:
        labels = _labels(made)
        if not (self.classes and self.labelled) or labels is None or not labels.size:
            return []
        if labels.min() >= 0 and labels.max() < self.classes:
            return []
        found = np.unique(labels)
        wrong = found[((found < 0) | (found >= self.classes)) & ~np.isin(found, list(self.ignored))]
        return wrong[:5].tolist()


def _labels(made: Any) -> np.ndarray | None:
    """Labels of a sample: packed by mmseg or mmpretrain, or not packed yet."""
    if not isinstance(made, dict):
        return None
    sample = made.get('data_samples')
    label = getattr(getattr(sample, 'gt_sem_seg', None), 'data', getattr(sample, 'gt_label', None))
    return made.get('gt_seg_map') if label is None else label.numpy()


def leaves(dataset: Any) -> Iterator[Any]:
    """Yield the data sets that read files, inside those that wrap them."""
    wrapped = getattr(dataset, 'dataset', None)
    inner = getattr(dataset, 'datasets', None) or ([] if wrapped is None else [wrapped])
    for part in inner:
        yield from leaves(part)
    if not inner:
        yield dataset


def watch(dataset: Any, strict: bool, labelled: bool = True) -> None:
    """Let a loader's data set, wrapped or not, name the files that it cannot use.

    ``strict`` and ``labelled`` are those of :class:`NamingPipeline`.

    Raises:
        ValueError: if one holds no sample, naming its list file or folder.
    """
    for leaf in leaves(dataset):
        if hasattr(leaf, '__len__') and not len(leaf):
            prefix = getattr(leaf, 'data_prefix', None)
            source = getattr(leaf, 'ann_file', '') or prefix or type(leaf).__name__
            raise ValueError(f'{source!r} lists no sample: {type(leaf).__name__} is empty')
        pipeline = getattr(leaf, 'pipeline', None)
        if type(pipeline) is Compose:
            classes = (getattr(leaf, 'metainfo', None) or {}).get('classes') or ()
            ignored = {getattr(leaf, 'ignore_index', IGNORED)}
            leaf.pipeline = NamingPipeline(pipeline, len(classes), ignored, strict, labelled)


@functools.cache
def watch_loaders() -> None:
    """Watch the data of every loader that a runner builds, strictly where it trains on them."""
    build, build_train = Runner.build_dataloader, Runner.build_train_loop
    labelled: list[bool] = []  # of the run whose training loop is being built

    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        try:
            loader = build(*args, **kwargs)
        except ValueError as error:
            if _NO_SAMPLE not in str(error):
                raise
            raise ValueError(_KEEPS_NONE) from error
        watch(loader.dataset, strict=bool(labelled), labelled=all(labelled))
        return loader

    def build_train_loop(self: Runner, loop: Any) -> Any:
        labelled.append(getattr(unwrapped(self.model), 'supervised', True))
        try:
            return build_train(self, loop)
        finally:
            labelled.clear()

    Runner.build_dataloader = staticmethod(functools.wraps(build)(build_dataloader))
    Runner.build_train_loop = functools.wraps(build_train)(build_train_loop)
