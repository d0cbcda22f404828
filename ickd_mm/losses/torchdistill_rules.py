"""What torchdistill's losses ask of a student's and a teacher's tensor (torchdistill 1.1.5).

torchdistill takes any shapes and any ``reduction`` and lets broadcasting or an ``else`` decide;
these rules say what is meant, so that everything else can be refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

ROWS, MAPS, ANY = (2,), (4,), (2, 4)


class Rule(NamedTuple):
    """What one loss takes.

    Attributes:
        dims: numbers of dimensions: 2 for rows (N, C), 4 for maps (N, C, H, W).
        equal: axes of a map on which student and teacher must agree, out of 'NCHW'.
        reductions: values of ``reduction`` that mean what they say; empty where there is none.
        defaults: values for arguments that torchdistill leaves open, from its documentation's
            examples.
        fixed: values that an argument must have here, because it weighs labels.
        least: rows or images that are needed to compare any.
        relates: whether rows or images are compared with each other, so that one alone gives 0.
        norms: over what the loss divides by a norm without a guard for 0: '' for nothing, 'N'
            for a row or an image, 'NC' for a channel of an image.
        steep: where a guard keeps the value finite and lets its derivative grow beyond 10^5: ''
            nowhere, 'zero' in a row or an image that is 0, 'channel' in a channel of an image
            that is 0, 'flat' in a row of equal entries, 'uniform' there and where all rows are
            equal, 'twin' in rows that equal another, 'match' where relations of the student are
            the teacher's.
    """

    dims: tuple[int, ...] = ANY
    equal: str = 'NCHW'
    reductions: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    least: int = 1
    relates: bool = False
    norms: str = ''
    steep: str = ''


_MEAN_SUM, _BATCH_SUM = ('mean', 'sum'), ('batchmean', 'sum')
_KL, _NO_LABELS = ('batchmean', 'mean', 'sum'), {'alpha': 0, 'beta': 0}
_GAUSSIAN = {'type': 'gaussian', 'gamma': 0.4, 'max_p': 2}

RULES = {
    'ATLoss': Rule(MAPS, 'NHW'),
    'AffinityLoss': Rule(MAPS, reductions=_MEAN_SUM, norms='NC'),
    'AltActTransferLoss': Rule(reductions=_MEAN_SUM, defaults={'margin': 1.0, 'reduction': 'mean'}),
    'CCKDLoss': Rule(
        ROWS,
        'N',
        _BATCH_SUM,
        {'kernel_config': _GAUSSIAN, 'reduction': 'batchmean'},
        relates=True,
    ),
    'ChSimLoss': Rule(MAPS, 'NC', steep='channel'),
    'DISTLoss': Rule(ROWS, steep='uniform'),
    'FTLoss': Rule(reductions=_MEAN_SUM, norms='N'),
    'HierarchicalContextLoss': Rule(MAPS, reductions=_MEAN_SUM),
    'KDLoss': Rule(ROWS, reductions=_KL, defaults={'temperature': 1.0}, fixed=_NO_LABELS),
    'KTALoss': Rule(reductions=_MEAN_SUM, norms='N'),
    'LogitStdKDLoss': Rule(
        ROWS,
        reductions=_KL,
        defaults={'temperature': 2.0},
        fixed=_NO_LABELS,
        steep='flat',
    ),
    'PKTLoss': Rule(ROWS, 'N', relates=True, norms='N'),
    'RKDLoss': Rule(
        ANY,
        'N',
        _MEAN_SUM,
        {'dist_factor': 1.0, 'angle_factor': 2.0, 'reduction': 'mean'},
        least=2,
        relates=True,
        steep='twin',
    ),
    'SKDDirectionLoss': Rule(ROWS, 'N', least=2, relates=True, norms='N', steep='match'),
    'SKDInstanceLoss': Rule(ROWS),
    'SPKDLoss': Rule(ANY, 'N', _BATCH_SUM, {'reduction': 'batchmean'}, relates=True, steep='zero'),
    'VIDLoss': Rule(MAPS),
}

REFUSED = {
    'AuxSSKDLoss': 'it trains a part of the teacher, which is frozen here',
    'CRDLoss': 'it needs the index of every sample and keeps a memory of all of them',
    'DISTPlusLoss': 'it needs logits and features at once; DISTLoss takes the logits',
    'FSPLoss': 'it needs two layers of each model, a pair has one',
    'PADL2Loss': 'it needs the variances that a second branch of the student predicts',
    'RegularizationLoss': 'it looks at one of the two models only',
    'SRDLoss': 'it needs logits and features at once',
    'SSKDLoss': 'it needs labels, rotated images and a self-supervised branch in both models',
}
