"""A checkpoint that fills nothing of a model is an error, one that fills a part is counted."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from support.repository import ICKD, TEACHER, data_options, model_config
from support.tools import train
from torch import nn

from ickd_mm.registry import MODELS
from ickd_mm.runtime import loading, setup

FIRST = 'backbone.stem.0.weight, backbone.stem.1.weight, backbone.stem.1.bias'


@pytest.fixture
def student(scope):
    setup()
    return MODELS.build(model_config('pspnet_student_digits'))


@pytest.fixture
def said(monkeypatch):
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda text, *_: said.append(text))
    return said


NOTHING = {
    'bare names of a backbone': (
        lambda key, tensor: (key.removeprefix('backbone.'), tensor) if 'backbone' in key else None,
        r'its keys are stem.0.weight, .*, \.\.\., the model has '
        rf"{FIRST}, \.\.\.: put 'backbone.' in front of the keys, or set "
        r"backbone.init_cfg=dict\(type='Pretrained', checkpoint=...\) in the model",
    ),
    'the names of a wrapper': (
        lambda key, tensor: (f'model.net.{key}', tensor),
        "remove 'model.net.' from the keys; in init_cfg set prefix='model.net'",
    ),
    'other shapes': (
        lambda key, tensor: (key, torch.zeros(3, *tensor.shape)),
        r'backbone.stem.0.weight is \(3, 4, 3, 3, 3\) there and \(4, 3, 3, 3\) in the model: is',
    ),
    'another model': (
        lambda key, tensor: (f'layer.{len(key)}', tensor) if 'bias' in key else None,
        r'its keys are layer.\d+, .*, the model has .*: is it from another model\?',
    ),
    'nothing': (lambda key, tensor: None, 'its keys are none, the model has'),
}


@pytest.mark.parametrize('case', NOTHING)
def test_a_checkpoint_that_fills_nothing(student, tmp_path, case):
    change, message = NOTHING[case]
    pairs = [change(*pair) for pair in student.state_dict().items()]
    torch.save(dict(state_dict=dict(pair for pair in pairs if pair)), tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=f'no tensor of the checkpoint fits the model: .*{message}'
    ):
        load_checkpoint(student, str(tmp_path / 'a.pth'))


def test_a_part_is_counted_and_a_whole_is_not_mentioned(student, said, tmp_path):
    state = student.state_dict()
    torch.save(state, tmp_path / 'whole.pth')
    load_checkpoint(student, str(tmp_path / 'whole.pth'))
    assert not said
    bare = {key: tensor for key, tensor in state.items() if 'num_batches' not in key}
    torch.save({f'module.{key}': tensor for key, tensor in bare.items()}, tmp_path / 'ddp.pth')
    load_checkpoint(student, str(tmp_path / 'ddp.pth'))
    assert not said
    kept = {
        key: tensor for key, tensor in bare.items() if not key.startswith('decode_head.conv_seg')
    }
    kept['decode_head.conv_seg.weight'] = torch.zeros(5, 16, 1, 1)
    torch.save(kept, tmp_path / 'part.pth')
    load_checkpoint(student, str(tmp_path / 'part.pth'))
    assert said == [
        f'Loaded {len(bare) - 2} of {len(bare)} tensors; not in the checkpoint, or of another '
        'shape: decode_head.conv_seg.weight, decode_head.conv_seg.bias'
    ]


class Replacing(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def _load_from_state_dict(self, state_dict, prefix, *args):
        self.weight = nn.Parameter(state_dict[f'{prefix}weight'])


def test_a_model_that_replaces_its_tensors_is_filled(said, tmp_path):
    setup()
    torch.save({'weight': torch.ones(5)}, tmp_path / 'a.pth')
    model = Replacing()
    load_checkpoint(model, str(tmp_path / 'a.pth'))
    assert model.weight.sum() == 5
    assert not said


def test_a_distiller_is_filled_by_a_students_checkpoint(distiller, said, tmp_path):
    torch.save(distiller.student.state_dict(), tmp_path / 'student.pth')
    load_checkpoint(distiller, str(tmp_path / 'student.pth'))
    assert not said


def test_pretrained_weights_of_another_backbone(scope, teacher_file):
    setup()
    cfg = model_config('pspnet_student_digits')
    cfg.backbone.init_cfg = dict(type='Pretrained', checkpoint=teacher_file)
    with pytest.raises(ValueError, match=r"remove 'backbone.' from the keys; .* prefix='backbone'"):
        MODELS.build(cfg).init_weights()


@pytest.mark.slow
def test_a_run_ends_before_training(digits, teacher_file, tmp_path):
    torch.save({'fc.weight': torch.zeros(2, 2)}, tmp_path / 'other.pth')
    teacher = [
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'teacher_val=False',
    ]
    load_from = f'load_from={tmp_path / "other.pth"}'
    done = train(ICKD, tmp_path, *data_options(digits), *teacher, load_from)
    assert done.returncode != 0
    message = f"load_from = '{tmp_path / 'other.pth'}': no tensor of the checkpoint fits the model"
    assert message in done.stderr.splitlines()[-1]
    assert 'Iter(train)' not in done.stdout
