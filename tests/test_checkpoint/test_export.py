"""Exporting leaves the student's weights, and nothing else."""

import pytest
import torch
from safetensors.torch import load_file

from ickd_mm.checkpoint import read_checkpoint
from ickd_mm.checkpoint.export import export_student

STATE = {'backbone.w': torch.arange(6.0).reshape(2, 3).t(), 'head.b': torch.ones(2)}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'iter_5.pth'
    meta = dict(iter=5, dataset_meta=dict(classes=('a',)), hook_msgs=dict(x=1))
    content = dict(meta=meta, state_dict=STATE, optimizer=dict(state={}), ickd_mm={'x': STATE})
    torch.save(content, path)
    return path


@pytest.mark.parametrize('name', ['out.pth', 'deep/out.safetensors'])
def test_the_config_beside_the_weights(tmp_path, name):
    torch.save({'meta': dict(cfg='a = 1\n'), 'state_dict': STATE}, tmp_path / 'a.pth')
    export_student(tmp_path / 'a.pth', tmp_path / name, config=True)
    assert (tmp_path / name).with_suffix('.py').read_text() == 'a = 1\n'


@pytest.mark.parametrize('name', ['out.pth', 'deep/out.safetensors'])
def test_weights_alone(checkpoint, tmp_path, name):
    out = tmp_path / name
    tensors, size = export_student(checkpoint, out)
    assert tensors == 2
    assert size == out.stat().st_size
    assert out.stat().st_mode == checkpoint.stat().st_mode, 'for others to read'
    read = load_file(out) if name.endswith('s') else torch.load(out)['state_dict']
    assert set(read) == set(STATE)
    for key, value in STATE.items():
        assert torch.equal(read[key], value)


@pytest.mark.parametrize('name', ['out.pth', 'out.safetensors'])
def test_half(tmp_path, name):
    state = {'w': torch.tensor([1.0, 1e-3]), 'bn.num_batches_tracked': torch.tensor(70_000)}
    torch.save({'state_dict': state}, tmp_path / 'a.pth')
    export_student(tmp_path / 'a.pth', tmp_path / name, half=True)
    read = read_checkpoint(tmp_path / name)['state_dict']
    assert torch.equal(read['w'], state['w'].half())
    assert read['bn.num_batches_tracked'] == 70_000
    torch.save({'state_dict': {'w': torch.tensor([1.0, -7e4])}}, tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=r'w holds 7e\+04, but fp16 only reaches 65504: export without'
    ):
        export_student(tmp_path / 'a.pth', tmp_path / name, half=True)


def test_what_inference_needs_is_kept(checkpoint, tmp_path):
    export_student(checkpoint, tmp_path / 'out.pth')
    read = torch.load(tmp_path / 'out.pth')
    assert read['meta'] == dict(iter=5, dataset_meta=dict(classes=('a',)))
    assert set(read) == {'meta', 'state_dict'}


def test_connectors_of_an_unpacked_checkpoint_are_left_out(tmp_path):
    torch.save(
        {'state_dict': {**STATE, 'connectors.loss_icc.w': torch.ones(1)}}, tmp_path / 'a.pth'
    )
    assert export_student(tmp_path / 'a.pth', tmp_path / 'b.pth')[0] == 2


def test_a_students_own_part_of_that_name_is_kept(tmp_path):
    state = {**STATE, 'losses.w': torch.ones(1)}
    torch.save({'state_dict': state, 'ickd_mm': {}}, tmp_path / 'a.pth')
    assert export_student(tmp_path / 'a.pth', tmp_path / 'b.pth')[0] == 3


def test_errors(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"must end in '.pth'"):
        export_student(checkpoint, tmp_path / 'out.onnx')
    with pytest.raises(ValueError, match='another file than the checkpoint'):
        export_student(checkpoint, checkpoint)
    with pytest.raises(FileNotFoundError):
        export_student(tmp_path / 'none.pth', tmp_path / 'out.pth')
    with pytest.raises(ValueError, match="holds no config, 'cfg' in its meta: leave --config out"):
        export_student(checkpoint, tmp_path / 'out.pth', config=True)
    assert not (tmp_path / 'out.pth').exists()
    torch.save([1], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match="has no 'state_dict'"):
        export_student(tmp_path / 'list.pth', tmp_path / 'out.pth')
