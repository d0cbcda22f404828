"""What a distiller says about itself in the log."""

from __future__ import annotations

from torch import nn

from ..preflight.model_source import ModelSource
from ..teachers.needed import NeededWeights


def about_teacher(source: ModelSource, weights: str, how: str, read: NeededWeights) -> str:
    """Name the teacher, its weights and how they were read, and how much of it runs."""
    name = source.origin or getattr(source.cfg.type, '__name__', source.cfg.type)
    return f'Teacher: {name!r} with {weights!r}{how}; {read.share()}'


def about_cost(student: nn.Module, *added: nn.Module) -> str:
    """Count what distilling adds to the student."""
    own, more = (
        sum(p.numel() for part in parts for p in part.parameters()) for parts in ([student], added)
    )
    return f'Connectors and losses: {more:,} parameters, in training alone; the student has {own:,}'
