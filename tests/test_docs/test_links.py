"""What the pages point to is there: files, headings, configs."""

import re

import pytest
from support.repository import REPO

CONFIGS = REPO / 'configs'
PATTERNS = ('*.md', 'docs/**/*.md', 'docs/**/*.ipynb', 'configs/**/*.md')
PAGES = sorted({page for pattern in PATTERNS for page in REPO.glob(pattern)})


def anchors(page):
    """A page's headings as GitHub names them."""
    titles = re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links(page):
    for link in re.findall(r'\]\((?!https?://)([^)\s]+)\)', page.read_text(encoding='utf-8')):
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def expanded(path):
    """A path and its braces' alternatives, as bash reads them."""
    before, braces, after = re.fullmatch(r'([^{]*)(?:\{([^}]*)\})?(.*)', path).groups()
    return [before + part + after for part in (braces or '').split(',')]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_configs_that_are_named(page):
    text = page.read_text(encoding='utf-8')
    named = re.findall(r'\bconfigs/[\w{},/]+\.py', text)
    for path in [path for name in named for path in expanded(name)]:
        assert (REPO / path).is_file(), path
    for path in re.findall(r'\bickd_mm::([\w/]+\.py)', text):
        assert (CONFIGS / path).is_file(), path
