"""What a distiller says about itself in the log."""

from __future__ import annotations

from torch import nn

from ..preflight.model_source import ModelSource
from ..teachers.needed import NeededWeights
from ..teachers.options import TeacherOptions


def about_teacher(
    source: ModelSource, weights: str, how: str, read: NeededWeights, options: TeacherOptions
) -> str:
    """Name the teacher, its weights and how they were read, how much of it runs, on what images."""
    cfg = source.cfg
    cfg = cfg.backbone if cfg.type == 'ickd_mm.BackboneTeacher' else cfg
    name = source.origin or getattr(cfg.type, '__name__', cfg.type)
    said = f'Teacher: {name!r} with {weights!r}{how}; {read.share()}, {read.memory(options.dtype)}'
    if options.size is None:
        return said
    height, width = options.image_size((0, 0))
    return f"{said}, on images of {height}x{width}, resized from the student's"


def about_cost(student: nn.Module, *added: nn.Module) -> str:
    """Count what distilling adds to the student."""
    own, more = (
        sum(p.numel() for part in parts for p in part.parameters()) for parts in ([student], added)
    )
    return f'Connectors and losses: {more:,} parameters, only in training; the student has {own:,}'
