"""Configs × varied values × seeds."""

from __future__ import annotations

import argparse
import copy
import itertools
import re
from pathlib import Path

from mmengine.config import Config, ConfigDict, DictAction

from ...preflight.config_keys import check_text
from ...preflight.options import check_options
from ...registry import is_distiller
from .digest import digest_of
from .run import METRICS, Run

Choice = tuple[tuple[str, str], ...]
LONGEST_NAME = 100  # of a folder, before seed and digest; Windows takes 260 for the whole path


def resolve(config: str, choice: Choice = ()) -> Config:
    """Read a config file and lay values over it, as ``tools/train.py --cfg-options`` does.

    Raises:
        FileNotFoundError: if it does not exist.
        KeyError: for a key that appears twice in it.
        ValueError: for a varied key or value that fits nowhere.
    """
    if not Path(config).is_file():
        raise FileNotFoundError(f'config {config!r} does not exist')
    check_text(Path(config))
    cfg = Config.fromfile(config, import_custom_modules=False)
    words = [f'{key}={value}' for key, value in choice]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=DictAction)
    try:
        options = parser.parse_args(['--cfg-options', *words]).cfg_options
        check_options(cfg, options)
        cfg.merge_from_dict(options)
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError) as error:
        text = f'--vary {" ".join(words)}: {type(error).__name__}: {error.args[0]}'
        raise ValueError(text) from error
    return cfg


def _split(text: str, at: str) -> list[str]:
    """Split at each ``at`` outside brackets and quotes."""
    parts: list[str] = []
    for part in text.split(at):
        before = parts[-1] if parts else ''
        depth = sum(map(before.count, '([{')) - sum(map(before.count, ')]}'))
        if depth > 0 or before.count('"') % 2 or before.count("'") % 2:
            parts[-1] += at + part
        else:
            parts.append(part)
    return parts


def parse_variation(text: str) -> list[Choice]:
    """Read ``key=v1,v2`` as two choices; ``a,b=v1:w1,v2:w2`` changes two keys together.

    Commas and colons inside brackets or quotes belong to the value, and so does every colon
    where one key is varied: ``grid=2,(2,4)`` and ``model.teacher=mmseg::a.py,mmseg::b.py``.

    Raises:
        ValueError: if there is no key or no value, or a choice has not one value per key.
    """
    left, _, right = text.partition('=')
    keys = [key for key in left.split(',') if key]
    values = [value for value in _split(right, ',') if value]
    choices = [_split(value, ':') if len(keys) > 1 else [value] for value in values]
    if not keys or not choices or any(len(choice) != len(keys) for choice in choices):
        raise ValueError(f'--vary takes KEY=V1,V2,... or K1,K2=V1:W1,V2:W2,..., got {text!r}')
    return [tuple(zip(keys, choice)) for choice in choices]


def name_of(config: str, choice: Choice) -> str:
    """Config name and varied values, keys by their ends where these differ."""
    keys = [key for key, _ in choice]
    ends = [key.rpartition('.')[2] for key in keys]
    shown = ends if len(set(ends)) == len(keys) else keys
    return ' '.join([config, *(f'{key}={value}' for key, (_, value) in zip(shown, choice))])


def lay_out(
    configs: list[str],
    seeds: list[int],
    variations: list[list[Choice]],
    root: Path,
    store: Path | None = None,
    metrics: tuple[str, ...] = METRICS,
) -> list[Run]:
    """Lay out every config with every combination of varied values, whole seeds first.

    A run's folder is named by config, varied values, seed and :func:`digest_of` its config. A run
    is ``about`` its ``config``, what was ``varied``, its ``seed``; the ``name`` of its line in the
    table and that of its ``reference`` (the first config with the same values, or, of one config,
    the first line); and the ``line`` and ``value`` of its place in a plot over the first key.

    Raises:
        FileNotFoundError: if a config, or one that it names, does not exist.
        ValueError: if a config has no validation, or two runs would be the same.
    """
    stems, runs = [Path(config).stem for config in configs], list[Run]()
    names: dict[tuple[str, str], str] = {}
    if len(set(stems)) < len(stems) or len(set(seeds)) < len(seeds):
        raise ValueError(f'configs and seeds must not repeat, got {stems} and {seeds}')
    for config, parts in itertools.product(configs, itertools.product(*variations)):
        stem, choice = Path(config).stem, tuple(pair for part in parts for pair in part)
        cfg, name = resolve(config, choice), name_of(stem, choice)
        if cfg.get('val_cfg') is None:
            raise ValueError(
                f'{config} has no val_cfg: without validation there is no score to compare'
            )
        state = digest_of(cfg)
        if (twin := names.setdefault((stem, state), name)) is not name:
            raise ValueError(f'{twin} and {name} are the same run: leave one out')
        keys, values = zip(*choice) if choice else ((), ())
        first = name_of(stems[0], choice) if len(configs) > 1 else next(iter(names.values()))
        about = {
            'config': stem,
            'varied': f'{",".join(keys)}={":".join(values)}' if choice else '',
            'name': name,
            'reference': first,
            'line': name_of(stem, choice[len(parts[0]) :] if parts else ()),
            'value': values[0] if choice else None,
        }
        label = '__'.join([stem, *(f'{key}={value}' for key, value in choice)])
        label = re.sub(r'[/\\:*?"<>|\s]', '_', label)[:LONGEST_NAME]
        shared = store if is_distiller(cfg.get('model')) else None
        for seed in seeds:
            own = copy.deepcopy(cfg)
            own.randomness = ConfigDict(cfg.get('randomness') or {}, seed=seed)
            folder = root / f'{label}__seed={seed}__{state}'
            runs.append(Run(own, folder, state, {**about, 'seed': seed}, shared, metrics))
    return sorted(runs, key=lambda run: seeds.index(run.about['seed']))
