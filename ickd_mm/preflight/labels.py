"""What the labels of masks mean to a segmentation model, its training data and its evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import nn

LOOKED_AT = 100
FEW = 25


def ignored_labels(model: nn.Module) -> dict[str, int]:
    """Return the labels that a model's heads ignore, by the path of the key that says so."""
    heads = (part for part in model.named_modules() if hasattr(part[1], 'num_classes'))
    found = ((f'{path}.ignore_index', getattr(head, 'ignore_index', None)) for path, head in heads)
    return {key: label for key, label in found if isinstance(label, int)}


def class_count(model: nn.Module) -> int:
    """Return the most classes that a head of a model tells apart; 0 without such a head."""
    counts = (getattr(part, 'num_classes', 0) for part in model.modules())
    return max(count if isinstance(count, int) else 0 for count in counts)


def _conflicts(
    found: Iterable[tuple[str, Any, str]], heads: dict[str, int], prefix: str = ''
) -> Iterator[str]:
    """Yield a message for each (key, label, what follows) whose label the first head lacks."""
    key, ignored = next(iter(heads.items()), ('', None))
    for name, label, effect in found:
        if heads and isinstance(label, int) and label != ignored:
            where = f'{name} is {label}, but {prefix}{key} is {ignored}'
            yield f'{where}: {effect}; set {name}={ignored}'


def training_conflicts(model: Any, dataset: Any, prefix: str) -> Iterator[str]:
    """Say where losses, other heads, padding and data set disagree with what the model ignores.

    Args:
        model: a segmentation model with heads that ignore a label.
        dataset: the data set that reads its training masks.
        prefix: what stands before the model's parts in a config key.
    """
    heads, classes = ignored_labels(model), _classes(dataset)
    parts = tuple(key.removesuffix('ignore_index') for key in heads)
    found = [
        (
            f'{prefix}{path}.ignore_index',
            getattr(part, 'ignore_index', None),
            'it ignores other pixels',
        )
        for path, part in model.named_modules()
        if f'{path}.'.startswith(parts)
    ]
    pads = {f'{prefix}data_preprocessor': model.data_preprocessor}
    for n, transform in enumerate(dataset.pipeline.transforms):
        pads[f'train_dataloader.dataset.pipeline.{n}'] = transform
    for name, part in pads.items():
        label, taught = _padding(part), 'get a label that is neither a class nor ignored'
        if label is not None and 0 <= label < len(classes):
            taught = f'are trained as class {classes[label]!r}'
        found.append((f'{name}.seg_pad_val', label, f'padded pixels {taught}'))
    yield from _conflicts(found, heads, prefix)
    label, key = getattr(dataset, 'ignore_index', 255), f'{prefix}{next(iter(heads))}'
    if label not in (255, *heads.values()):
        name = f'train_dataloader.dataset.ignore_index is {label}'
        yield f'{name}, which no loss reads: set {key}={label} and leave it out'


def evaluation_conflicts(model: nn.Module, metrics: Iterable[Any]) -> Iterator[str]:
    """Say which metrics do not ignore the label that the model's heads ignore."""
    effect = 'what is predicted at the label that the model ignores counts as wrong'
    labels = (getattr(metric, 'ignore_index', None) for metric in metrics)
    found = (('val_evaluator.ignore_index', label, effect) for label in labels)
    return _conflicts(found, ignored_labels(model))


def _classes(dataset: Any) -> Sequence[str]:
    return (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()


def _padding(part: Any) -> Any:
    """Return the label that a preprocessor or a transform pads masks with."""
    pads = getattr(part, 'pad_val', None)
    label = pads.get('seg') if isinstance(pads, dict) else getattr(part, 'seg_pad_val', None)
    unused = getattr(part, 'size', 0) is None and getattr(part, 'size_divisor', 0) is None
    return None if unused else label


def unseen_classes(dataset: Any, ignored: Collection[int]) -> str:
    """Say which classes no mask shows while pixels are ignored; nothing where all is well.

    Looks at up to ``LOOKED_AT`` masks, spread over the data set, until every class was seen; that
    is too few for more than ``FEW`` classes of a larger one. A mask that cannot be read ends the
    look: the training names it.
    """
    readers = [t for t in dataset.pipeline.transforms if 'LoadAnnotations' in type(t).__name__]
    classes, total = _classes(dataset), len(dataset)
    missing, skipped, pixels = set(range(len(classes))), 0, 0
    chosen = np.unique(np.linspace(0, total - 1, LOOKED_AT).astype(int)).tolist()
    if len(classes) > FEW and len(chosen) < total:
        return ''
    for index in chosen:
        try:
            labels = readers[0](dataset.get_data_info(index))['gt_seg_map']
            counts = np.bincount(labels.ravel())
        except Exception:
            return ''
        missing -= set(np.flatnonzero(counts).tolist())
        skipped += sum(int(counts[n]) for n in ignored if 0 <= n < len(counts))
        pixels += labels.size
        if not missing:
            return ''
    if not skipped:
        return ''
    names = ' or '.join(f'{label} {classes[label]!r}' for label in sorted(missing)[:5])
    names += f' or {len(missing) - 5} more' if len(missing) > 5 else ''
    label = ' or '.join(map(str, sorted(ignored)))
    cause = f'does {label} stand for one there? Write its own number instead'
    if getattr(dataset, 'reduce_zero_label', False) and missing == {len(classes) - 1}:
        cause = 'reduce_zero_label=True ignores label 0 and lowers the others: leave it out'
    rare = '' if len(chosen) == total else '; if they are rare, nothing is wrong'
    return (
        f'train_dataloader.dataset: none of {len(chosen)} masks (of {total}) shows class {names}, '
        f'while {skipped / pixels:.1%} of the pixels are ignored and teach nothing: {cause}{rare}'
    )
