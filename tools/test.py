"""Score the student of a config on its test set; with --teacher, the teacher instead."""

from __future__ import annotations

import argparse

from mmengine.runner import Runner

import ickd_mm  # noqa: F401  (closes the stack's gaps)
from ickd_mm.cli import add_config_arguments, end_processes, load_config
from ickd_mm.distillers.plain import student_config, teacher_config
from ickd_mm.distillers.weights import restore
from ickd_mm.run_checks import check_data, check_teacher
from ickd_mm.wrappers import unwrapped


def main() -> None:
    """Parse the command line and test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='student checkpoint')
    parser.add_argument(
        '--teacher',
        action='store_true',
        help="score the config's teacher instead (model.teacher_ckpt; CHECKPOINT is not read)",
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument('--out', help='folder for the predicted label maps')
    parser.add_argument('--show-dir', help='folder for painted predictions')
    add_config_arguments(parser)
    args = parser.parse_args()
    if not args.teacher and args.checkpoint is None:
        parser.error('name the checkpoint to test, or --teacher')
    cfg = load_config(args)
    check_data(cfg, ('test_dataloader',))
    if (args.out or args.show_dir) and cfg.get('default_scope') != 'mmseg':
        parser.error('--out and --show-dir are for segmentation')
    if args.teacher:
        check_teacher(cfg)
        cfg.model, weights = teacher_config(cfg.model)
        print(f'Scores the teacher, {weights}', flush=True)
    else:
        cfg.model, cfg.load_from = student_config(cfg.model), args.checkpoint
    if args.show_dir:
        cfg.default_hooks.visualization = dict(type='SegVisualizationHook', draw=True)
        cfg.visualizer.save_dir = args.show_dir
    if args.tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.model = dict(cfg.tta_model, module=cfg.model)
    if args.out:
        cfg.test_evaluator.update(output_dir=args.out, keep_results=True)
    runner = Runner.from_cfg(cfg)
    if args.teacher:
        model = unwrapped(runner.model)
        restore(model.module if args.tta else model, weights)
    runner.test()
    end_processes()


if __name__ == '__main__':
    main()
