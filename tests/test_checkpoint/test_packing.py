"""A packed checkpoint holds plain values, and unpacks to what it was."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.logging.history_buffer import HistoryBuffer

from ickd_mm.checkpoint.packing import EXTRA, pack, to_plain, unpack


def checkpoint():
    hub = MessageHub('packing')
    for step in range(4):
        hub.update_scalar('train/loss', 0.1 * step)
    hub.update_info('best_score', np.float32(0.25))
    return dict(
        meta=dict(iter=3, dataset_meta=ConfigDict(classes=('a', 'b'), palette=[[0, 1, 2]])),
        state_dict={'backbone.w': torch.ones(2), 'connectors.loss_icc.w': torch.zeros(3)},
        ema_state_dict={'module.backbone.w': torch.ones(2)},
        message_hub=hub.state_dict(),
        optimizer=dict(state={0: dict(step=torch.tensor(1.0))}, param_groups=[dict(lr=0.1)]),
        param_schedulers=[dict(last_step=3, _global_step=4)],
    )


def test_a_packed_checkpoint_loads_with_plain_torch(tmp_path):
    packed = checkpoint()
    assert pack(packed) == []
    torch.save(packed, tmp_path / 'a.pth')
    read = torch.load(tmp_path / 'a.pth', weights_only=True)
    assert list(read['state_dict']) == ['backbone.w']
    assert list(read[EXTRA]) == ['connectors.loss_icc.w']
    assert read['meta']['dataset_meta'] == dict(classes=('a', 'b'), palette=[[0, 1, 2]])


def test_unpacking_gives_back_what_a_runner_needs(tmp_path):
    packed, original = checkpoint(), checkpoint()
    pack(packed)
    torch.save(packed, tmp_path / 'a.pth')
    read = torch.load(tmp_path / 'a.pth', weights_only=True)
    unpack(read)
    assert set(read) == set(original)
    assert set(read['state_dict']) == set(original['state_dict'])
    before = original['message_hub']['log_scalars']['train/loss']
    after = read['message_hub']['log_scalars']['train/loss']
    assert isinstance(after, HistoryBuffer)
    assert after.max_length == before.max_length
    for a, b in zip(after.data, before.data):
        np.testing.assert_array_equal(a, b)
    after.update(0.7)
    hub = MessageHub('packing-2')
    hub.load_state_dict(read['message_hub'])
    assert hub.get_scalar('train/loss').current() == 0.7
    assert hub.get_info('best_score') == 0.25


def test_a_plain_model_keeps_every_weight_whatever_its_parts_are_called():
    packed = checkpoint()
    pack(packed, distiller=False)
    assert list(packed['state_dict']) == ['backbone.w', 'connectors.loss_icc.w']
    assert packed[EXTRA] == {}


def test_a_plain_student_gets_no_connectors():
    packed = checkpoint()
    pack(packed)
    unpack(packed, distiller=False)
    assert list(packed['state_dict']) == ['backbone.w']


def test_a_checkpoint_that_was_never_packed_passes():
    original = checkpoint()
    unpack(original)
    assert isinstance(original['message_hub']['log_scalars']['train/loss'], HistoryBuffer)


@pytest.mark.parametrize(
    ('value', 'plain'),
    [
        (np.int64(3), 3),
        (np.arange(2), [0, 1]),
        ((1, [np.bool_(True)]), (1, [True])),
        (ConfigDict(a=dict(b=1)), {'a': {'b': 1}}),
        (float('inf'), float('inf')),
    ],
)
def test_plain_values(value, plain):
    made = to_plain(value, 'x', [])
    assert made == plain
    assert type(made) is type(plain)


def test_what_fits_nowhere_is_left_out_and_named():
    dropped = []
    assert to_plain({'a': object(), 'b': 1}, 'meta', dropped) == {'b': 1}
    assert dropped == ['meta.a']


def test_the_state_of_the_amp_scaler_comes_back(tmp_path, monkeypatch):
    """mmengine's wrapper with torch's CPU scaler in it: the wrapper itself wants an accelerator."""
    from mmengine.optim import AmpOptimWrapper
    from mmengine.optim.optimizer import amp_optimizer_wrapper as module

    for name in dir(module):
        if name.startswith('is_') and name.endswith('_available'):
            monkeypatch.setattr(module, name, lambda: True)
    monkeypatch.setattr(module, 'GradScaler', lambda **kw: torch.amp.GradScaler('cpu', **kw))

    def wrapper():
        layer = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
        return layer, AmpOptimWrapper(loss_scale='dynamic', optimizer=optimizer)

    layer, before = wrapper()
    for value in (1.0, float('inf'), 1.0):  # the second step overflows and is skipped
        before.update_params(layer(torch.full((1, 1), value)).sum())
    packed = dict(checkpoint(), optimizer=before.state_dict())
    assert pack(packed) == []
    torch.save(packed, tmp_path / 'a.pth')
    read = torch.load(tmp_path / 'a.pth', weights_only=True)
    unpack(read)
    _, after = wrapper()
    after.load_state_dict(read['optimizer'])
    scaler = after.loss_scaler.state_dict()
    assert scaler == before.loss_scaler.state_dict()
    assert (scaler['scale'], scaler['_growth_tracker']) == (2.0**15, 1)
