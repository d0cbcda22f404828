"""One seed, one machine, one number of threads: one result, augmentation and dropout included."""

import pytest
import torch
from support.forking import train
from support.repository import ICKD
from support.tools import load, scalars, succeed

pytestmark = pytest.mark.slow


def test_the_same_seed_gives_the_same_weights_bit_for_bit(distilled, tmp_path):
    options, _ = distilled
    options = [*options, 'teacher_val=False', 'train_cfg.val_interval=2', 'train_cfg.max_iters=3']
    weights = []
    for name, seed in (('first', 5), ('second', 5), ('other', 6)):
        succeed(train(ICKD, tmp_path / name, *options, f'randomness.seed={seed}'))
        checkpoint = load(tmp_path / name / 'iter_3.pth')
        weights.append({**checkpoint['state_dict'], **checkpoint['ickd_mm']})
    first, second, other = weights
    for key, value in first.items():
        assert torch.equal(second[key], value), key
    assert not all(torch.equal(other[key], value) for key, value in first.items())
    logs = []
    for name in ('first', 'second'):
        lines = scalars(tmp_path / name)
        logs.append([{k: v for k, v in line.items() if 'time' not in k} for line in lines])
    assert logs[0] == logs[1]
    assert len(logs[0]) > 3
