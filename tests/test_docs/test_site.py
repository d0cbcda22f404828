"""What surrounds the code names what is there: the site's pages, hosted workflows, hooks."""

import re

import pytest
import yaml
from support.repository import REPO

from ickd_mm import __version__

MAKEFILE = (REPO / 'Makefile').read_text(encoding='utf-8')
TARGETS = {*re.search(r'^\.PHONY: (.*)$', MAKEFILE, re.M).group(1).split()}
WORKFLOWS = sorted(REPO.glob('.github/workflows/*.yml'))


def made(text):
    """The make targets that a text calls, without their variables."""
    calls = re.findall(r'\bmake ((?:[a-z-]+ ?)+)', text)
    return {target for call in calls for target in call.split()}


def test_every_page_is_on_the_sites_path():
    toc = yaml.safe_load((REPO / 'docs/site/toc.yml').read_text(encoding='utf-8'))
    listed = [entry['file'] for part in toc['subtrees'] for entry in part['entries']]
    patterns = (
        '*.md',
        'docs/*.md',
        'docs/api/*.rst',
        'docs/notebooks/*.ipynb',
        'configs/*/README.md',
        'weights/*.md',
    )
    pages = [page for pattern in patterns for page in REPO.glob(pattern)]
    names = {page.relative_to(REPO).with_suffix('').as_posix() for page in pages}
    assert sorted([toc['root'], *listed]) == sorted(names)


def test_the_workflows_run_what_ci_runs():
    runs = '\n'.join(
        step.get('run', '')
        for workflow in WORKFLOWS
        for job in yaml.safe_load(workflow.read_text())['jobs'].values()
        for step in job['steps']
    )
    of_all = {'test-core': 'test'}  # they run the whole on torch 2.1 too
    here = {of_all.get(target, target) for target in made((REPO / '.ci/run').read_text())}
    assert here <= made(runs) <= TARGETS
    assert {'docs', 'package', 'test-fast'} <= made(runs)


def test_the_workflows_know_the_stacks():
    (jobs,) = (yaml.safe_load(w.read_text())['jobs'] for w in WORKFLOWS if w.stem == 'test')
    known = re.search(r'in ([\w|]+)\) ;;', MAKEFILE).group(1).split('|')
    assert jobs['stacks']['strategy']['matrix']['stack'] == known


@pytest.mark.parametrize('name', ['.readthedocs.yaml', 'CONTRIBUTING.md', 'README.md'])
def test_make_targets_that_are_named(name):
    # in Markdown only what is set as code: "make" is a word too
    text = (REPO / name).read_text(encoding='utf-8')
    code = (
        text
        if name.endswith('.yaml')
        else '\n'.join(re.findall(r'`make [^`]*`|^    make.*', text, re.M))
    )
    assert made(re.sub(r'#.*', '', code)) <= TARGETS


def test_the_hook_has_the_pinned_ruff():
    hooks = yaml.safe_load((REPO / '.pre-commit-config.yaml').read_text())
    (ruff,) = (repo for repo in hooks['repos'] if repo['repo'].endswith('/ruff-pre-commit'))
    assert f'ruff=={ruff["rev"].removeprefix("v")}\n' in (REPO / 'constraints.txt').read_text()


def test_one_version():
    changes = (REPO / 'CHANGELOG.md').read_text(encoding='utf-8')
    citation = yaml.safe_load((REPO / 'CITATION.cff').read_text(encoding='utf-8'))
    newest = re.search(r'^## (\S+) \((\d{4}-\d\d-\d\d|unreleased)\)$', changes, re.M).groups()
    assert newest[0] == __version__
    if newest[1] != 'unreleased':
        assert (citation['version'], str(citation['date-released'])) == newest
