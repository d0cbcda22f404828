"""Formulas as MathML, which browsers draw without a script or a network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def _mathml(node: nodes.Element, display: str) -> str:
    """Convert a formula; what the converter does not know, it leaves as ``\\name``."""
    formula = convert(node.astext(), display=display).replace(r'\_', '_')
    if '\\' in formula:
        LOGGER.warning('this formula has a command without MathML: %s', node.astext())
    return formula


def _inline(self: Any, node: nodes.Element) -> None:
    self.body.append(_mathml(node, 'inline'))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.Element) -> None:
    self.body.append(f'<div class="math">{_mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer('mathml', (_inline, None), (_block, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
