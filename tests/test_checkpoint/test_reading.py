"""Checkpoints are read; nothing in them runs."""

import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file

from ickd_mm.checkpoint import read_checkpoint, reading
from ickd_mm.runtime.checkpoint_files import install_reader


@pytest.fixture(params=['of this torch', 'of torch < 2.6'], autouse=True)
def reader(request, monkeypatch):
    """Both readers, each on whatever torch is installed."""
    if request.param == 'of torch < 2.6':
        monkeypatch.setattr(reading, 'digit_version', lambda text: text == '2.6')


class Command:
    """Runs a command when it is unpickled by a careless reader."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def attacks(marker):
    yield 'system', Command(os.system, f'touch {marker}')
    yield 'eval', Command(eval, f"open({str(marker)!r}, 'w')")
    yield 'getattr', Command(getattr, Command(__import__, 'os'), 'system')
    yield 'a method of an allowed class', Command(getattr, HistoryBuffer, 'register_statistics')
    yield 'attribute of an allowed class', Command(getattr, np.ndarray, 'tofile')


NAMES = [name for name, _ in attacks('x')]


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('hidden', [False, True], ids=['bare', 'in a right checkpoint'])
def test_a_file_that_would_run_a_command_is_refused(tmp_path, name, hidden):
    marker = tmp_path / 'ran'
    attack = dict(attacks(marker))[name]
    content = attack
    if hidden:
        hub = MessageHub('attack-' + name)
        hub.update_scalar('train/loss', 0.5)
        state = {'w': torch.ones(2)}
        content = dict(state_dict=state, message_hub=hub.state_dict(), meta=dict(epoch=attack))
    file = tmp_path / 'a.pth'
    torch.save(content, file)
    install_reader()
    with pytest.raises(ValueError, match=r'a\.pth.* is refused'):
        read_checkpoint(file)
    with pytest.raises(ValueError, match='is refused'):
        CheckpointLoader.load_checkpoint(str(file))
    assert not marker.exists()


@pytest.mark.parametrize('owner', [HistoryBuffer, torch._utils._rebuild_tensor_v2])
def test_a_file_that_changes_what_it_may_name_is_refused(tmp_path, owner):
    name = f'{owner.__module__}\n{owner.__name__}\n'.encode()
    torch.save({'w': torch.ones(2)}, tmp_path / 'right.pth')
    with (
        zipfile.ZipFile(tmp_path / 'right.pth') as right,
        zipfile.ZipFile(tmp_path / 'a.pth', 'w') as wrong,
    ):
        for entry in right.namelist():
            text = b'\x80\x02c' + name + b'}X\x04\x00\x00\x00evilK\x01sb.'
            wrong.writestr(entry, text if entry.endswith('data.pkl') else right.read(entry))
    with pytest.raises(ValueError, match=r'a\.pth'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not hasattr(owner, 'evil')


def test_every_kind_of_tensor_comes_back(tmp_path):
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool)
    state = OrderedDict((str(kind), torch.ones(2, 3).to(kind).t()) for kind in kinds)
    state['parameter'] = torch.nn.Parameter(torch.rand(2))
    state['size'], state['dtype'] = torch.Size([2, 3]), torch.float16
    state._metadata = OrderedDict({'': dict(version=2)})
    for name, new in (('zip.pth', True), ('legacy.pth', False)):
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=new)
        read = read_checkpoint(tmp_path / name)
        assert read.keys() == state.keys()
        assert read._metadata[''] == dict(version=2)
        for key, value in state.items():
            same = torch.equal(read[key], value) if torch.is_tensor(value) else read[key] == value
            assert same, key
            assert type(read[key]) is type(value), key


def test_a_plain_pickle_is_refused(tmp_path):
    marker = tmp_path / 'ran'
    (tmp_path / 'a.pth').write_bytes(pickle.dumps(Command(os.system, f'touch {marker}')))
    with pytest.raises(ValueError, match='is refused'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not marker.exists()


def test_mmengines_own_training_checkpoint_is_read(tmp_path):
    """On torch >= 2.6 mmengine itself cannot (open-mmlab/mmengine#1655)."""
    hub = MessageHub('own')
    for step in range(3):
        hub.update_scalar('train/loss', step / 2)
    hub.update_info('best', np.float64(0.5))
    state = {'w': torch.ones(2)}
    torch.save(dict(state_dict=state, message_hub=hub.state_dict()), tmp_path / 'a.pth')
    read = read_checkpoint(tmp_path / 'a.pth')
    assert read['message_hub']['log_scalars']['train/loss'].mean() == 0.5
    assert read['message_hub']['runtime_info']['best'] == 0.5


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_checkpoint(tmp_path / 'none.pth')


@pytest.mark.parametrize('size', [0, 100, 2000])
def test_a_file_that_is_cut_off(tmp_path, size):
    torch.save({'state_dict': {'w': torch.ones(1000)}}, tmp_path / 'a.pth')
    content = (tmp_path / 'a.pth').read_bytes()
    (tmp_path / 'b.pth').write_bytes(content[:size])
    with pytest.raises(ValueError, match=r'b\.pth'):
        read_checkpoint(tmp_path / 'b.pth')


def test_another_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('a.txt', 'x')
    with pytest.raises(ValueError, match='not a whole checkpoint'):
        read_checkpoint(tmp_path / 'a.pth')


def test_text_that_resuming_would_run_is_dropped(tmp_path):
    file = tmp_path / 'a.pth'
    torch.save({'meta': {'config': 'print(1)', 'epoch': 3}, 'state_dict': {}}, file)
    assert read_checkpoint(str(file)) == {'meta': {'epoch': 3}, 'state_dict': {}}


def test_safetensors(tmp_path):
    file = tmp_path / 'weights.safetensors'
    save_file({'w': torch.arange(3.0)}, file)
    loaded = CheckpointLoader.load_checkpoint(str(file), map_location='cpu')
    assert torch.equal(loaded['state_dict']['w'], torch.arange(3.0))
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r'weights.safetensors. is not a whole checkpoint'):
        read_checkpoint(file)
