"""Score the teacher before training, beside the student and by the same evaluator."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..preflight.model_source import teacher_config
from ..randomness import preserved_randomness
from ..registry import HOOKS, MODELS
from ..teachers.weights import restore

SCORES = ('mIoU', 'accuracy/top1')
PRECISIONS = ('coco/bbox_mAP', 'pascal_voc/mAP')
"""The scores of mmdet's evaluators, from 0 to 1."""
LEAST_PRECISION = 0.01


def chance(classes: int) -> float:
    """Return the highest score, in percent, of a model that always gives one answer.

    For mIoU that is 100/C for C classes: one class has an IoU of at most 1, the others 0. For
    accuracy it is 100/C where classes are equally frequent.
    """
    return 100 / classes


def looks_like_chance(score: float, classes: int) -> bool:
    """Tell whether a score in percent is hardly above chance, or NaN.

    That is by less than half of chance and less than a tenth of the distance to 100: below 13.6
    for 11 classes, 55 for two.
    """
    level = chance(classes)
    return not score >= level + min(level / 2, (100 - level) / 10)


def doubt(key: str, score: float, classes: int) -> str:
    """Say why a score is no better than an untrained model's; nothing where it is, or is unknown.

    Boxes that are anywhere have an average precision near 0, whatever the classes.
    """
    if key in SCORES and classes > 1 and looks_like_chance(score, classes):
        level = f'up to {chance(classes):.2f} with {classes} classes'
        return f'{key} {score:.2f}; always giving one answer scores {level}'
    if key in PRECISIONS and not score >= LEAST_PRECISION:
        return f'{key} {score:.3f}; an untrained detector scores about 0'
    return ''


@HOOKS.register_module()
class TeacherValHook(Hook):
    """Score the teacher on the validation set before the first iteration.

    The scores are logged as ``teacher/<name>`` at once, and again beside the student's at every
    validation; the hook warns where one is at the level of chance. The student's run is not
    affected: teacher, data loader and evaluator are built for this alone, and every random
    generator is put back. A resumed run has the scores in its checkpoint.

    ``teacher_val = True`` at the top of a config adds the hook.
    """

    priority = 'LOW'

    def before_train(self, runner: Runner) -> None:
        """Score the teacher, unless a resumed run knows its scores.

        Raises:
            ValueError: if the config has no teacher or no validation set.
        """
        if any(key.startswith('val/teacher/') for key in runner.message_hub.log_scalars):
            return
        if runner.cfg.get('val_dataloader') is None or runner.cfg.get('val_evaluator') is None:
            raise ValueError('teacher_val needs val_dataloader and val_evaluator in the config')
        with preserved_randomness():
            metrics, meta = self._score(runner)
        scores = {f'teacher/{key}': float(value) for key, value in metrics.items()}
        text = '  '.join(f'{key}: {value:.4f}' for key, value in scores.items())
        print_log(f'Teacher on the validation set: {text}', 'current')
        runner.visualizer.add_scalars(dict(scores), step=runner.iter)
        for key, value in scores.items():
            runner.message_hub.update_scalar(f'val/{key}', value)
        self._warn(metrics, meta)

    @torch.no_grad()
    def _score(self, runner: Runner) -> tuple[dict[str, Any], dict[str, Any]]:
        cfg = copy.deepcopy(runner.cfg)
        model_cfg, weights = teacher_config(cfg.model, cfg.get('data_preprocessor'))
        teacher = MODELS.build(ConfigDict(model_cfg))
        try:
            restore(teacher, weights)
        except ValueError as error:  # the distiller needs less: what its taps depend on
            remedy = (
                'teacher_val scores the whole teacher; leave it out if the weights are only a part'
            )
            raise ValueError(f'{error}: {remedy}') from error
        teacher.to(next(runner.model.parameters()).device).eval()
        loader = runner.build_dataloader(cfg.val_dataloader, seed=runner.seed)
        evaluator = runner.build_evaluator(cfg.val_evaluator)
        meta = getattr(loader.dataset, 'metainfo', {})
        evaluator.dataset_meta = meta
        for batch in loader:
            evaluator.process(data_samples=teacher.val_step(batch), data_batch=batch)
        return evaluator.evaluate(len(loader.dataset)), meta

    def _warn(self, metrics: dict[str, Any], meta: dict[str, Any]) -> None:
        classes = len(meta.get('classes') or ())
        for said in filter(None, (doubt(key, score, classes) for key, score in metrics.items())):
            text = 'Check teacher, teacher_ckpt and the data_preprocessor of the teacher'
            print_log(f'The teacher scores {said}. {text}', 'current', logging.WARNING)
