"""Every command of a page is one that its tool takes, on configs, keys and files that are there.

What they do is tested with the tools; ``PYTHONPATH=tests python -m support.try_pages`` runs them.
"""

import argparse
import ast
import re
import runpy
from configparser import ConfigParser
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.pages import PAGES, blocks, configs_shown, record
from support.recipes import FILES, recipe
from support.repository import REPO

from ickd_mm.commands.compare.grid import parse_variation
from ickd_mm.preflight.options import check_options

EXAMPLE = {'CONFIG': 'configs/ickd/pspnet_digits.py'}  # what stands for a config of the reader's


class Parsed(Exception):
    """A tool has read its command line and would begin."""


@cache
def tool_namespace(words):
    """What a tool makes of its arguments: its own parser, stopped where the work begins."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise Parsed(parse(parser, args, namespace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
        patch.setattr('sys.argv', list(words))
        with pytest.raises(Parsed) as caught:
            runpy.run_path(words[0], run_name='__main__')
    return caught.value.args[0]


def file_of(name, page):
    """The file of a config; None where the reader writes it or a library has it."""
    if '::' in name:
        package, _, path = name.partition('::')
        assert (Path(find_spec(package).origin).parent / '.mim/configs' / path).is_file(), name
        return None
    if (REPO / name) in FILES:
        return REPO / name
    assert f'`{name}`' in page.text, f'{name} is neither in configs/ nor named on the page'
    return page.configs.get(name)


def last(file):
    """How a config's run names its last checkpoint."""
    loop = recipe(file).train_cfg
    iterations = loop.get('max_iters')
    return f'iter_{iterations}.pth' if iterations else f'epoch_{loop.max_epochs}.pth'


def check_tool(words, page):
    """Arguments, configs, options and checkpoints of one of this repository's tools."""
    args = tool_namespace((str(REPO / words[0]), *(EXAMPLE.get(word, word) for word in words[1:])))
    one = getattr(args, 'config', None)
    for config in getattr(args, 'configs', [one] if isinstance(one, str) else []):
        file = file_of(config, page)
        options = dict(getattr(args, 'cfg_options', None) or {})
        for choices in map(parse_variation, getattr(args, 'vary', [])):
            options.update(choices[0])
        if file and options:
            cfg = recipe(file)
            check_options(cfg, options)
            cfg.merge_from_dict(options)
            for pair in cfg.model.get('pairs', {}).values():
                assert {'student', 'teacher', 'loss'} <= pair.keys(), options
        page.trained[getattr(args, 'work_dir', None) or f'work_dirs/{Path(config).stem}'] = file
    for word in words:
        if found := re.fullmatch(r'(?:.*[=,])?(work_dirs/.*)/((?:iter|epoch)_\d+\.pth)', word):
            page.named.append(found.groups())


def check_python(words, page):
    """``python``: a tool, a module, code, or a script of another project."""
    script = next((n for n, word in enumerate(words) if word.startswith('tools/')), None)
    if script is not None and (REPO / words[script]).is_file():
        return check_tool(words[script:], page)
    if script is not None:
        assert (Path(find_spec('mmseg').origin).parent / '.mim' / words[script]).is_file()
    elif words[0].endswith('/tools/train.py'):
        return check_tool(['tools/train.py', *words[1:]], page)
    elif words[0] == '-c':
        ast.parse(words[1])
    else:
        assert words[0] == '-m', words
        module = words[1]
        assert module in ('build', 'venv') or find_spec(module), module
    return None


def check_make(words, page):
    targets = re.search(r'^\.PHONY: (.*)$', (REPO / 'Makefile').read_text(), re.M).group(1).split()
    assert {word for word in words if '=' not in word} <= {*targets}


def check_pip(words, page):
    known = ConfigParser()
    known.read(REPO / 'setup.cfg')
    assert words[0] in ('install', 'uninstall')
    for extra in re.findall(r'\[(\w+)\]', ' '.join(words)):
        assert extra in known['options.extras_require']


def check_launcher(words, page):
    """``torchrun`` and ``srun``: what they start."""
    start = next(n for n, word in enumerate(words) if word.startswith('tools/'))
    check_tool(words[start:], page)


def elsewhere(words, page):
    """A command of the system, or one that asks for a network: nothing here is checked."""


SYSTEM = 'apt-get git grep gunzip mim mkdir rm sort tar twine wc xargs'
KINDS = dict.fromkeys(SYSTEM.split(), elsewhere) | {
    'make': check_make,
    'pip': check_pip,
    'python': check_python,
    'srun': check_launcher,
    'torchrun': check_launcher,
}


class Page:
    """A page: text and configs, the folders that its commands fill, the checkpoints they name."""

    def __init__(self, path, folder):
        self.text = path.read_text(encoding='utf-8')
        self.configs = {}
        for name, text in configs_shown(path).items():
            if "_base_ = 'ickd_mm::" in text:  # not one of the reader's own
                self.configs[name] = folder / name
                self.configs[name].write_text(text)
        self.trained, self.named = {}, []


@pytest.mark.parametrize('path', PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_commands_are_taken(path, tmp_path):
    page = Page(path, tmp_path)
    for number, block in enumerate(blocks(path)):
        folder = tmp_path / str(number)
        folder.mkdir()
        calls, complaints = record(block.text, folder, KINDS)
        assert not complaints, f'{block.where}: {complaints}'
        assert calls, f'{block.where} has no command: give the fence a language'
        for name, *words in calls:
            try:
                KINDS[name](words, page)
            except (AssertionError, Exception, SystemExit, pytest.fail.Exception) as error:
                raise AssertionError(f'{block.where}: {name} {words}') from error
    for folder, checkpoint in page.named:
        if file := page.trained.get(folder):
            assert checkpoint == last(file), f'{path}: {folder} has {last(file)}, not {checkpoint}'
