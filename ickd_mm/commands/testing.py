"""``tools/test.py``: score the student of a config, or its teacher."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..preflight.data import check_data, check_teacher, leave_out_absent_parts
from ..preflight.model_source import student_config, teacher_config
from ..registry import MODELS, type_name
from ..teachers.weights import restore
from ..wrappers import unwrapped
from .arguments import end_processes, load_config

LOADERS = ('test_dataloader',)
PAINTERS = {
    'mmseg': ('BaseSegmentor', 'mmseg.SegVisualizationHook', 'mmseg.SegLocalVisualizer'),
    'mmdet': ('BaseDetector', 'mmdet.DetVisualizationHook', 'mmdet.DetLocalVisualizer'),
}
"""Library -> the class of its models, the hook and the visualizer that paint their predictions."""
TTA = dict(
    tta_pipeline="mmseg's configs/_base_/datasets/pascal_voc12.py (scales and flips are yours)",
    tta_model="mmseg's configs/_base_/default_runtime.py: tta_model = dict(type='SegTTAModel')",
)


def _library(cfg: Config) -> str:
    """Return which of ``PAINTERS`` a plain model is of, whatever its scope and spelling; or ''."""
    kind = cfg.model.type
    if isinstance(kind, str):
        scope = cfg.model.get('_scope_') or cfg.get('default_scope')
        with MODELS.switch_scope_and_registry(scope) as registry:
            kind = registry.get(kind)
    for library, (base, _, _) in PAINTERS.items():
        known: Any = getattr(sys.modules.get(f'{library}.models'), base, ())
        if isinstance(kind, type) and issubclass(kind, known):
            return library
    return ''


def prepare_testing(args: argparse.Namespace) -> tuple[Config, str | None]:
    """Read and check the config; return it with a plain model, and the teacher's weights.

    Raises:
        ValueError: if label maps or pictures are asked of a model that cannot give them.
    """
    cfg = load_config(args)
    leave_out_absent_parts(cfg, LOADERS)
    check_data(cfg, LOADERS)
    shared, weights = cfg.get('data_preprocessor'), None
    if args.teacher:
        check_teacher(cfg)
        cfg.model, weights = teacher_config(cfg.model, shared, cfg.get('default_scope'))
    else:
        cfg.model, cfg.load_from = student_config(cfg.model, shared), args.checkpoint
    library = _library(cfg) if args.out or args.show_dir else ''
    for option, able in (('out', ('mmseg',)), ('show_dir', tuple(PAINTERS))):
        if getattr(args, option) and library not in able:
            flag, got = option.replace('_', '-'), type_name(cfg.model)
            raise ValueError(
                f'--{flag} needs a model of {" or ".join(able)}, got {got!r}: leave it out'
            )
    if args.show_dir:
        _, hook, visualizer = PAINTERS[library]
        painting = dict(type=hook, draw=True, interval=1)
        cfg.merge_from_dict({'default_hooks.visualization': painting})
        backends = [dict(type='LocalVisBackend')]
        cfg.visualizer = cfg.get('visualizer') or dict(
            type=visualizer, vis_backends=backends, name='visualizer'
        )
        cfg.visualizer.save_dir = args.show_dir
    if args.tta:
        for key, source in TTA.items():
            if cfg.get(key) is None:
                raise ValueError(
                    f'--tta needs {key!r} in the config, which has none; an example is in {source}'
                )
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.tta_model.module = cfg.model
        cfg.model = cfg.tta_model
    if args.out:
        cfg.test_evaluator.update(output_dir=args.out, keep_results=True)
    return cfg, weights


def test(args: argparse.Namespace) -> None:
    """Score what the command line names."""
    cfg, teacher_weights = prepare_testing(args)
    runner = Runner.from_cfg(cfg)
    if teacher_weights is not None:
        model = unwrapped(runner.model)
        how = restore(model.module if args.tta else model, teacher_weights)
        print(f'Scores the teacher, {teacher_weights}{how}', flush=True)
    runner.test()
    end_processes()
