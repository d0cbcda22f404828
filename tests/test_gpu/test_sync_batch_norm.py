"""SyncBN over two processes on one GPU: half a batch each is the whole batch."""

import multiprocessing

import pytest
import torch
from support.formula import relative
from support.gpu import DEVICE, ON_GPU
from support.two_ranks import built, step, train_half

pytestmark = pytest.mark.gpu


def test_two_halves_are_the_whole(distiller_cfg, scope, tmp_path):
    distiller_cfg.student.decode_head.dropout_ratio = 0
    cfg, out = distiller_cfg.to_dict(), tmp_path / 'halves.pth'
    context = multiprocessing.get_context('spawn')
    job = (cfg, DEVICE, tmp_path / 'rendezvous', out)
    ranks = [context.Process(target=train_half, args=(rank, *job)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    whole = step(built(distiller_cfg, DEVICE), slice(None))
    for rank in ranks:
        rank.join(90)
        rank.kill()
    assert [rank.exitcode for rank in ranks] == [0, 0]
    halves = torch.load(out)
    assert halves.keys() == whole.keys()
    if not ON_GPU:
        return
    for name, want in whole.items():
        assert relative(halves[name], want.cpu(), floor=1e-6) < 1e-2, name
