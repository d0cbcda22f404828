"""``tools/test.py``: score the student of a config, or its teacher."""

from __future__ import annotations

import argparse

from mmengine.config import Config
from mmengine.runner import Runner

from ..preflight.data import check_data, check_teacher, leave_out_absent_parts
from ..preflight.model_source import student_config, teacher_config
from ..teachers.weights import restore
from ..wrappers import unwrapped
from .arguments import end_processes, load_config

LOADERS = ('test_dataloader',)


def prepare_testing(args: argparse.Namespace) -> tuple[Config, str | None]:
    """Read and check the config; return it with a plain model, and the teacher's weights.

    Raises:
        ValueError: for pictures of what is not segmentation.
    """
    cfg = load_config(args)
    leave_out_absent_parts(cfg, LOADERS)
    check_data(cfg, LOADERS)
    if (args.out or args.show_dir) and cfg.get('default_scope') != 'mmseg':
        raise ValueError('--out and --show-dir are for segmentation')
    shared, weights = cfg.get('data_preprocessor'), None
    if args.teacher:
        check_teacher(cfg)
        cfg.model, weights = teacher_config(cfg.model, shared)
        print(f'Scores the teacher, {weights}', flush=True)
    else:
        cfg.model, cfg.load_from = student_config(cfg.model, shared), args.checkpoint
    if args.show_dir:
        cfg.default_hooks.visualization = dict(type='SegVisualizationHook', draw=True)
        cfg.visualizer.save_dir = args.show_dir
    if args.tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    if args.out:
        cfg.test_evaluator.update(output_dir=args.out, keep_results=True)
    return cfg, weights


def test(args: argparse.Namespace) -> None:
    """Score what the command line names."""
    cfg, teacher_weights = prepare_testing(args)
    runner = Runner.from_cfg(cfg)
    if teacher_weights is not None:
        model = unwrapped(runner.model)
        restore(model.module if args.tta else model, teacher_weights)
    runner.test()
    end_processes()
