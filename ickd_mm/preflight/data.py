"""What must be on the disk before a run: its data, in the expected layout, and the teacher."""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..registry import is_distiller, type_name

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
CLASS_FOLDERS = ('ImageNet', 'CustomDataset')


def set_data_root(cfg: Config, folder: str) -> None:
    """Let every data set of every loader read from ``folder``, and their metrics too.

    A metric's ``ann_file`` is moved where it lies in the folder of a data set (COCO's).
    """
    for loader in LOADERS:
        nodes = [node for node, _ in _datasets(cfg.get(loader), loader)]
        for metric, _ in _annotated(cfg, loader):
            for root in {os.path.join(node['data_root'], '') for node in nodes}:
                if metric['ann_file'].startswith(root):
                    metric['ann_file'] = os.path.join(folder, metric['ann_file'][len(root) :])
                    break
        for node in nodes:
            node['data_root'] = folder


def _annotated(cfg: Config, loader: str) -> Iterator[tuple[dict, str]]:
    """Yield (metric, its config key) for the metrics of a loader that read an ``ann_file``."""
    key = loader.replace('dataloader', 'evaluator')
    metrics: Any = cfg.get(key) or ()
    named = [(metrics, key)]
    if not isinstance(metrics, dict):
        named = [(metric, f'{key}[{n}]') for n, metric in enumerate(metrics)]
    return ((m, k) for m, k in named if isinstance(m.get('ann_file'), str) and m['ann_file'])


def trains_without_labels(cfg: Config) -> bool:
    """Tell whether a config trains a distiller on its pairs alone (``supervised=False``)."""
    return is_distiller(cfg.get('model')) and cfg.model.get('supervised') is False


def check_data(cfg: Config, loaders: tuple[str, ...]) -> None:
    """Make sure that the data of the dataloaders under these keys exist in the expected layout.

    Looks for each data set's folder, and in it for the list file, the folders of ``data_prefix``
    and, for class folders, at least one of them; for CIFAR, its files by their MD5 sums. Looks for
    the ``ann_file`` of every metric too (COCO's annotations). Data that download themselves are
    skipped, and so are labels that nothing reads: masks in training
    without labels, class folders with ``with_label=False``. The config is not changed.

    Raises:
        FileNotFoundError: if something is missing, naming the config key, what was looked for,
            where, and what the config says in ``how_to_get_data``.
        ValueError: if a list file is empty.
    """
    scope = cfg.get('default_scope')
    for loader in loaders:
        found = [pair for pair in _datasets(cfg.get(loader), loader) if _is_local(pair[0], scope)]
        for node, key in found:
            if not Path(node['data_root']).is_dir():
                raise _missing(cfg, key, f"data_root = '{node['data_root']}' is not a folder")
        labelled = loader != 'train_dataloader' or not trains_without_labels(cfg)
        for node, key in found:
            _check_layout(cfg, node, key, labelled)
            if faults := list(_faulty_files(node, _kind(node, scope))):
                raise _missing(cfg, key, f'data_root: {", ".join(faults)}')
        for metric, key in _annotated(cfg, loader):
            if '://' not in metric['ann_file'] and not Path(metric['ann_file']).is_file():
                raise _missing(cfg, key, f"ann_file: no file '{metric['ann_file']}'")


def check_teacher(cfg: Config) -> None:
    """Make sure that the teacher's weights are there, where the config names a local file.

    Raises:
        FileNotFoundError: if they are not, with what the config says in ``how_to_get_teacher``.
    """
    ckpt = cfg.model.get('teacher_ckpt')
    remedy = cfg.get('how_to_get_teacher')
    local = isinstance(ckpt, str) and ckpt != 'zoo' and '://' not in ckpt
    if remedy and local and not Path(ckpt).is_file():
        raise FileNotFoundError(
            f'model.teacher_ckpt = {ckpt!r} does not exist (looked in {os.getcwd()}); {remedy}'
        )


def _missing(cfg: Config, key: str, what: str) -> FileNotFoundError:
    remedy = cfg.get('how_to_get_data', f'put the data there or change {key}.data_root')
    return FileNotFoundError(f'{key}.{what} (looked in {os.getcwd()}); {remedy}')


def _datasets(node: Any, path: str) -> Iterator[tuple[dict, str]]:
    """Yield (data set, its config key) for every dict with a ``data_root`` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get('data_root'), str) and node['data_root']:
            yield node, path
        for key, value in node.items():
            yield from _datasets(value, f'{path}.{key}')
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _datasets(value, f'{path}[{number}]')


def _kind(dataset: dict, scope: str | None) -> Any:
    kind = dataset.get('type')
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(dataset.get('_scope_') or scope) as registry:
            return registry.get(kind)
    return kind


def _is_local(dataset: dict, scope: str | None) -> bool:
    """Tell whether a data set is on the disk and does not download itself as CIFAR's may."""
    kind = _kind(dataset, scope)
    may_download = kind is not None and 'download' in inspect.signature(kind).parameters
    downloads = may_download and dataset.get('download', True)
    return '://' not in dataset['data_root'] and not downloads


def _faulty_files(dataset: dict, kind: Any) -> Iterator[str]:
    """Name the files of mmpretrain's CIFAR classes that are missing or not as published."""
    if not hasattr(kind, 'base_folder'):
        return
    for name, md5 in (*kind.train_list, *kind.test_list):
        file = Path(dataset['data_root'], kind.base_folder, name)
        if not file.is_file():
            yield f'{file} is missing'
        elif md5 and hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() != md5:
            yield f'{file} is not the published file (its MD5 sum is not {md5})'


def _reads_masks(dataset: dict) -> bool:
    return any(type_name(step) == 'LoadAnnotations' for step in dataset.get('pipeline') or ())


def _check_layout(cfg: Config, dataset: dict, key: str, labelled: bool) -> None:
    root = Path(dataset['data_root'])
    lists = dataset.get('ann_file') or ''
    if isinstance(lists, str) and lists:
        file = root / lists
        if not file.is_file():
            raise _missing(cfg, key, f"ann_file: no file '{file}'")
        if file.stat().st_size < 100 and not file.read_bytes().strip():
            raise ValueError(f"{key}.ann_file: '{file}' lists no sample")
    prefix = dataset.get('data_prefix') or {}
    for name, folder in ({'': prefix} if isinstance(prefix, str) else prefix).items():
        unused = name == 'seg_map_path' and not (labelled or _reads_masks(dataset))
        if isinstance(folder, str) and folder and not unused and not (root / folder).is_dir():
            where = f'data_prefix.{name}' if name else 'data_prefix'
            raise _missing(cfg, key, f"{where}: no folder '{root / folder}'")
    if type_name(dataset) in CLASS_FOLDERS and not lists:
        _check_class_folders(cfg, dataset, key)


def _check_class_folders(cfg: Config, dataset: dict, key: str) -> None:
    """Check a folder of ``class/image``, or of images without labels in any layout."""
    root, split = Path(dataset['data_root']), dataset.get('split') or ''
    if split and (root / 'meta' / f'{split}.txt').is_file():
        return
    prefix = dataset.get('data_prefix') or split
    folder = root / (prefix if isinstance(prefix, str) else prefix.get('img_path') or '')
    what = '' if folder.is_dir() else 'is not a folder'
    if not what and split != 'test' and dataset.get('with_label', True):
        classes = any(entry.is_dir() for entry in os.scandir(folder))
        what = '' if classes else 'holds no class folders; without labels, set with_label=False'
    elif not what and not any(file.is_file() for file in folder.rglob('*')):
        what = 'holds no file'
    if what:
        raise _missing(cfg, key, f"{'split' if split else 'data_prefix'}: '{folder}' {what}")


def leave_out_absent_parts(cfg: Config, loaders: tuple[str, ...]) -> None:
    """Take the parts whose list file is missing out of concatenated data sets, with a warning.

    A Pascal VOC folder without SBD trains on what it has. The config is changed, but a data set
    of which every part is missing stays as it is, for :func:`check_data` to report.
    """
    for loader in loaders:
        dataset = (cfg.get(loader) or {}).get('dataset') or {}
        parts = dataset['datasets'] if type_name(dataset) == 'ConcatDataset' else []
        present = [part for part in parts if _has_list(part)]
        if present and len(present) < len(parts):
            files = ', '.join(part['ann_file'] for part in parts if not _has_list(part))
            message = f'No {files}: training continues without that part of the data.'
            print_log(f'{message} {cfg.get("how_to_get_data", "")}', 'current', logging.WARNING)
            dataset['datasets'] = present


def _has_list(part: dict) -> bool:
    file, root = part.get('ann_file'), part.get('data_root', '')
    return not file or '://' in root or Path(root, file).is_file()
