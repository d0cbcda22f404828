"""Cells are those of ``torch.tensor_split``, whatever the block they travel in."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ickd_mm.functional.cells import (
    Region,
    Span,
    blocks,
    gather,
    paired_spans,
    parse_grid,
    scatter,
    whole_cell,
)


def test_grid_is_one_or_two_numbers():
    assert parse_grid(3) == (3, 3) and parse_grid((2, 5)) == (2, 5) and parse_grid([2, 5]) == (2, 5)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_spans_are_the_cuts_of_tensor_split(student, teacher, data):
    cells = data.draw(st.integers(1, min(student, teacher)))
    spans = paired_spans(student, teacher, cells)
    assert len(spans) <= 3
    for side, length in enumerate((student, teacher)):
        cut = [
            (span.start + i * span.size, span.size)
            for pair in spans
            for span in [pair[side]]
            for i in range(span.cells)
        ]
        want = torch.tensor_split(torch.arange(length), cells)
        assert cut == [(part[0].item(), len(part)) for part in want]


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 50))
def test_blocks_cover_every_cell_once(images, rows, cols, most):
    seen = torch.zeros(images, rows, cols)
    for n, r, c in blocks(images, rows, cols, most):
        assert seen[n, r, c].numel() <= most
        seen[n, r, c] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('count', [(1, 1), (2, 3), (3, 1)])
def test_scatter_undoes_gather(layout, count):
    x = torch.arange(3 * 7 * 9 * 10.0).view(3, 7, 9, 10).to(memory_format=layout)
    region = Region(slice(1, 3), Span(2, 2, count[0]), Span(1, 3, count[1]))
    cells = gather(x, region, torch.float64)
    assert cells.shape == (2 * count[0] * count[1], 6, 7) and cells.dtype == torch.float64
    first = x[1, :, 2:4, 1:4].flatten(1).T
    assert torch.equal(cells[0].float(), first)
    copy = torch.zeros_like(x)
    scatter(cells.float(), copy, region)
    rows, cols = slice(2, 2 + 2 * count[0]), slice(1, 1 + 3 * count[1])
    assert torch.equal(copy[1:, :, rows, cols], x[1:, :, rows, cols])
    assert copy.count_nonzero() == x[1:, :, rows, cols].count_nonzero()


def test_whole_cell_is_a_view_where_strides_allow():
    x = torch.zeros(2, 5, 4, 6)
    view = whole_cell(x, Region(slice(0, 1), Span(0, 4, 1), Span(0, 6, 1)))
    view.fill_(1)
    assert view.shape == (1, 5, 24) and x[0].all() and not x[1].any()
    assert whole_cell(x, Region(slice(0, 2), Span(0, 4, 1), Span(0, 3, 1))) is None
    assert whole_cell(x, Region(slice(0, 2), Span(0, 2, 2), Span(0, 6, 1))) is None
