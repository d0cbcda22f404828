"""Show an inspection in the terminal, or give it to other programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from ...distillers.pairs import shape_text
from .inspect_config import Inspection, Match
from .inspect_model import ModelReport, Output


def select(outputs: list[Output], depth: int | None, text: str | None) -> list[Output]:
    """Keep the outputs whose path has at most ``depth`` names and contains ``text``."""
    return [
        output
        for output in outputs
        if (depth is None or output.depth <= depth) and (text is None or text in output.path)
    ]


def modules_table(role: str, seen: ModelReport, outputs: list[Output]) -> Table:
    """List outputs with their shapes, or why they cannot be tapped."""
    height, width = seen.size
    columns = (Column(heading, overflow='fold') for heading in ('path', 'class', 'output'))
    title = f'{role}: {seen.kind}, images {height}×{width}'
    caption = escape(f'Not complete: {seen.fault}') if seen.fault else None
    table = Table(*columns, title=title, title_justify='left', caption=caption)
    for output in outputs:
        shape = shape_text(output.shape) if output.shape is not None else ''
        style = 'dim' if output.why_not else None
        table.add_row(
            escape(output.path), output.kind, shape or escape(output.why_not), style=style
        )
    return table


def pair_table(match: Match) -> Group:
    """Show student, connector and teacher side by side, the pair's name and loss above them."""
    headings = ('student', match.connector or 'no connector', 'teacher')
    table = Table(*(Column(heading, overflow='fold') for heading in headings))
    table.add_row(escape(match.student), '', escape(match.teacher))
    shapes = match.student_shape, match.connected_shape, match.teacher_shape
    table.add_row(*map(shape_text, shapes))
    return Group(Text(f'{match.name}: {match.loss}', 'italic'), table)


def cost_table(found: Inspection) -> Table:
    """Show parameters and multiply-adds, and what the connectors add in training."""
    headings = ('parameters', 'FLOPs (multiply-adds, one image)')
    right = (Column(heading, justify='right') for heading in headings)
    table = Table('', *right, title='cost', title_justify='left')
    for role, seen in found.models.items():
        table.add_row(role, _million(seen.parameters), f'{seen.flops / 1e9:.3f} G')
    extra = sum(match.parameters for match in found.matches)
    if extra:
        table.add_row('connectors (training only)', _million(extra), '')
    return table


def as_json(config: str, found: Inspection, depth: int | None, text: str | None) -> dict[str, Any]:
    """Return the same as plain data: ``config``, ``models``, ``pairs``, ``weights``.

    Shapes are lists without the batch; ``shape`` is null where an output is not a tensor.
    """
    models = {}
    for role, seen in found.models.items():
        models[role] = asdict(seen)
        models[role]['outputs'] = [asdict(o) for o in select(seen.outputs, depth, text)]
    pairs = [asdict(match) for match in found.matches]
    return {'config': config, 'models': models, 'pairs': pairs, 'weights': found.weights}


def _million(count: int) -> str:
    return f'{count / 1e6:.3f} M'
