"""Compare a run's model with its data when the loops are built, before the first iteration."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..hooks.student_checkpoint import trains_distiller
from ..preflight.labels import (
    class_count,
    evaluation_conflicts,
    ignored_labels,
    training_conflicts,
    unseen_classes,
)
from ..randomness import preserved_randomness
from ..wrappers import unwrapped
from .samples import NamingPipeline, leaves
from .stack import missing_operator


def single_image_batches(loader: DataLoader) -> str:
    """Say why a loader gives batches of one image and what to do, or nothing where it does not.

    A sampler without an end, or of unknown length, has no last batch that could be told.
    """
    size = loader.batch_size
    if size == 1:
        return 'train_dataloader.batch_size is 1: set another'
    sampler: Any = loader.sampler
    endless = 'Infinite' in type(sampler).__name__ or not hasattr(sampler, '__len__')
    if size is None or loader.drop_last or endless:
        return ''
    count = len(sampler)
    last = f'the last batch of train_dataloader is one image ({count} in batches of {size})'
    return f'{last}: set train_dataloader.drop_last=True' if count % size == 1 else ''


def first_size(loader: DataLoader, model: Any) -> tuple[int, int] | None:
    """Return height and width of the images that a loader's first sample becomes in training.

    None if it does not become an image: the training then says why.
    """
    with preserved_randomness(), suppress(Exception):
        batch = loader.collate_fn([loader.dataset[0], loader.dataset[0]])
        height, width = model.data_preprocessor(batch, True)['inputs'].shape[-2:]
        return int(height), int(width)
    return None


def _check_pairs(runner: Runner, loader: DataLoader) -> None:
    """Let a distiller try its pairs on what the loader gives, and say what it distils."""
    model = unwrapped(runner.model)
    if not hasattr(model, 'check_training'):
        return
    size, result = first_size(loader, model), 'every pair fits them'
    try:
        checkpointed = runner.cfg.get('activation_checkpointing')
        model.check_training(size, single_image_batches(loader), checkpointed)
    except RuntimeError as error:  # no proof that training cannot: it runs otherwise
        result = f'the pairs could not be tried with them: {error}'
    tried = f'\nTraining images are {size[0]}x{size[1]}; {result}' if size else ''
    print_log(model.summary() + tried, 'current')


def check_proposals(model: Any) -> None:
    """Make sure that a detector of two stages can train on labels, which takes proposals.

    Raises:
        RuntimeError: if mmcv has no operator to suppress boxes, with what to do.
    """
    missing = missing_operator('batched_nms')
    proposes = 'rpn_proposal' in (getattr(model, 'train_cfg', None) or ())
    if missing and proposes and getattr(model, 'supervised', True):
        name = type(getattr(model, 'student', model)).__name__
        raise RuntimeError(
            f'{name} cannot train on labels here: its proposals need NMS. {missing} A distiller '
            'trains on its pairs alone with model.supervised=False'
        )


def _check_training(runner: Runner, loop: Any) -> None:
    model = unwrapped(runner.model)
    check_proposals(model)
    ignored = set(ignored_labels(model).values()) if getattr(model, 'supervised', True) else set()
    prefix = 'model.student.' if trains_distiller(runner) else 'model.'
    for dataset in _mask_readers(loop, ignored):
        dataset.pipeline.classes = max(dataset.pipeline.classes, class_count(model))
        if is_main_process():
            _warn([*training_conflicts(model, dataset, prefix), unseen_classes(dataset, ignored)])
    _check_pairs(runner, loop.dataloader)


def check_suppression(model: Any) -> None:
    """Make sure that a detector can predict, where it suppresses boxes by an operator of mmcv.

    Raises:
        RuntimeError: if mmcv has no such operator, with what to do.
    """
    missing = missing_operator('batched_nms')
    for path, part in model.named_modules() if missing else ():
        if 'nms' in (getattr(part, 'test_cfg', None) or ()):
            name = path or type(getattr(model, 'student', model)).__name__
            raise RuntimeError(
                f'{name}.test_cfg has nms: the model can neither validate nor test here. {missing} '
                'To train without validation, set val_dataloader, val_cfg and val_evaluator to None'
            )


def _check_evaluation(runner: Runner, loop: Any) -> None:
    check_suppression(unwrapped(runner.model))
    metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
    _warn(evaluation_conflicts(unwrapped(runner.model), metrics))
    _mask_readers(loop, {m.ignore_index for m in metrics if hasattr(m, 'ignore_index')})


def _mask_readers(loop: Any, ignored: set[int]) -> list[Any]:
    """Return a loop's data sets if some label is ignored, which they then let pass."""
    pipelines = ((s, getattr(s, 'pipeline', None)) for s in leaves(loop.dataloader.dataset))
    found = [s for s, p in pipelines if ignored and isinstance(p, NamingPipeline)]
    for dataset in found:
        dataset.pipeline.ignored = ignored
    return found


def _warn(messages: Iterable[str]) -> None:
    for message in filter(None, dict.fromkeys(messages)):
        print_log(message, 'current', logging.WARNING)


def _checking(build: Callable, check: Callable[[Runner, Any], None]) -> Callable:
    @functools.wraps(build)
    def build_and_check(self: Runner, loop: Any) -> Any:
        built = build(self, loop)
        check(self, built)
        return built

    return build_and_check


@functools.cache
def check_before_training() -> None:
    """Let every runner of this process compare model and data when it builds its loops."""
    Runner.build_train_loop = _checking(Runner.build_train_loop, _check_training)
    Runner.build_val_loop = _checking(Runner.build_val_loop, _check_evaluation)
    Runner.build_test_loop = _checking(Runner.build_test_loop, _check_evaluation)
