"""``tools/visualize.py``: read a config and students, draw each pair, write PNG and HTML."""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch import Tensor

from ...preflight.model_source import read_config
from ...preflight.options import check_options
from ...visualization.figures import draw, write_png
from ...visualization.images import read_images, thumbnails
from ...visualization.maps import Maps, prepared, student_maps, teacher_maps
from ...visualization.panels import PairView, Panel
from ..students import load_student, start_distiller
from .channels import draw_channels
from .page import write_page

BEFORE = 'student before distillation'


def visualize(args: argparse.Namespace) -> None:
    """Draw what the command line names.

    Raises:
        FileNotFoundError, KeyError, TypeError, ValueError: as training would, or for images,
            checkpoints and pairs that are not there.
    """
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')
    cfg = read_config(args.config, 'config')
    check_options(cfg, args.cfg_options or {})
    cfg.merge_from_dict(args.cfg_options or {})
    if args.names is not None and len(args.names) != len(args.checkpoints):
        count = len(args.checkpoints)
        raise ValueError(
            f'--names has {len(args.names)} names for {count} checkpoints: give one for each'
        )
    model, start = start_distiller(cfg)
    pairs = {pair.name: pair for pair in model.pairs}
    if args.pair is not None and args.pair not in pairs:
        raise KeyError(f'--pair: no pair {args.pair!r}; the config has {", ".join(pairs)}')
    names, batches = read_images(cfg, args.images)
    model.to(args.device)
    images = prepared(model, batches)
    shown = [picture for batch in images for picture in thumbnails(batch, model.data_preprocessor)]
    teacher = teacher_maps(model, images)
    students = _students(model, images, args, start)
    config = Path(args.config.split('::')[-1]).stem
    out = args.out or Path('work_dirs', config, 'correlations')
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, pair in pairs.items():
        if args.pair not in (None, name):
            continue
        if not teacher[name] or not all(maps[name] for _, maps, _ in students):
            print(f'{name}: not drawn, its features are not maps (N, C, H, W)', flush=True)
            continue
        began = time.perf_counter()
        view = PairView(pair, teacher[name], args.center)
        panels = [view.teacher]
        panels += [view.student(who, maps[name], name in ready) for who, maps, ready in students]
        title = f'Which channels agree? {config}, pair {name}'
        figures = {'mean': draw(view, panels, shown, f'{title}: mean over {len(names)} images')}
        for number, image in enumerate(names):
            heading = f'{title}: {image}'
            figures[f'{number}'] = draw(view, panels, shown, heading, number)
        figures['channels'] = draw_channels(view, shown[0], f'{config}, teacher: {names[0]}')
        for kind, figure in figures.items():
            file = out / f'{name}_{kind}.png'
            write_png(figure, file)
            written.append((f'{name}: {kind}', file))
        took = time.perf_counter() - began
        print(_distances(view, panels), flush=True)
        print(f'{name}: {len(figures)} pictures in {took:.1f} s beside the forwards', flush=True)
    page = write_page(out / 'index.html', f'Which channels agree? {config}', written)
    print(f'Wrote {len(written)} PNG files and {page}', flush=True)


def _students(
    model: Any, images: list[Tensor], args: argparse.Namespace, start: str
) -> list[tuple[str, Maps, set[str]]]:
    """Return each student's name, maps, and the pairs for which it has a connector."""
    every = {pair.name for pair in model.pairs}
    found = [(f'{BEFORE}\n({start})', student_maps(model, images), every)]
    for number, path in enumerate(args.checkpoints):
        ready = load_student(model, path)
        name = args.names[number] if args.names else '/'.join(Path(path).parts[-2:])
        found.append((name, student_maps(model, images, every - ready), ready))
    return found


def _distances(view: PairView, panels: list[Panel]) -> str:
    lines = [f'{view.name}: distance to the teacher, mean over the images']
    for panel in panels[1:]:
        name = panel.name.replace('\n', ' ')
        mean = torch.tensor(panel.distances).mean().item() if panel.distances else None
        lines.append(f'  {name}: ' + ('none' if mean is None else f'{mean:.3f}'))
    return '\n'.join(lines)
