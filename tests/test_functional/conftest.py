"""The loss once more, straight from its formula, and each route of it."""

import pytest
from support.formula import formula, relative


@pytest.fixture
def exact():
    return formula


@pytest.fixture
def error():
    return relative


@pytest.fixture(params=['pixels', 'channels'])
def route(request, monkeypatch):
    """Send every cell of a test down one route, then down the other."""
    from ickd_mm.functional import icc

    monkeypatch.setattr(icc, 'PIXEL_ROUTE', 0 if request.param == 'pixels' else float('inf'))
    return request.param
