"""Every test that docs/reliability.md names exists, so that a promise keeps its test."""

import re

from support.repository import REPO

TESTS = {
    file.relative_to(REPO / 'tests').as_posix(): file for file in REPO.glob('tests/**/test_*.py')
}


def test_every_test_that_the_page_names_exists():
    page = (REPO / 'docs/reliability.md').read_text(encoding='utf-8')
    defined = '\n'.join(file.read_text(encoding='utf-8') for file in TESTS.values())
    named = re.findall(r'`((?:…|test_)[\w/…]+(?:\.py)?)`', page)
    assert len(named) > 30
    for name in named:
        if name.endswith('.py'):
            assert any(f'/{path}'.endswith(f'/{name}') for path in TESTS), name
        else:  # … stands for any part of a name
            pattern = r'def \w*' + name.replace('…', r'\w*') + r'\w*\('
            assert re.search(pattern, defined), name
