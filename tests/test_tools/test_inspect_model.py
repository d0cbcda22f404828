"""The command line: any config, distilled or not; tables, JSON, errors."""

import json

import pytest
from support.repository import ICKD, REPO, STUDENT
from support.tools import run_tool, succeed

pytestmark = pytest.mark.slow

TOOL = REPO / 'tools/inspect_model.py'
WIDE = dict(COLUMNS='160')


def inspect(*args):
    return succeed(run_tool(TOOL, *args, env=WIDE)).stdout


def rows(text):
    """First cell -> the other cells of every table row."""
    cells = [[c.strip() for c in line.split('│')[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def test_a_segmentor():
    found = rows(inspect(STUDENT))
    assert found['backbone.layer4'] == ['ResLayer', '(N, 64, 16, 16)']
    assert found['backbone[3]'] == ['ResNetV1c', '(N, 64, 16, 16)']
    assert found['decode_head.bottleneck'] == ['ConvModule', '(N, 16, 16, 16)']
    assert found['decode_head'][1] == 'its forward is called past its hooks: tap its parts'
    assert found['model'] == ['0.199 M', '0.050 G']
    assert 'backbone.layer4.0' not in found


def test_a_distiller_shows_its_pair_without_weights(tmp_path):
    file = tmp_path / 'seen.json'
    text = inspect(ICKD, '--filter', 'layer4.1.conv', '--json', file, '--cfg-options',
                   'model.teacher_ckpt=absent.pth')  # fmt: skip
    found = rows(text)
    assert found['(N, 64, 16, 16)'] == ['(N, 192, 16, 16)', '(N, 192, 16, 16)']
    assert 'loss_icc: ICKDLoss(grid=(2, 2)' in text
    assert '┃ ConvConnector' in text
    assert "teacher_ckpt = 'absent.pth' (no such file yet)" in text
    assert found['connectors (training only)'][0] == '0.013 M'
    seen = json.loads(file.read_text())
    assert list(seen['models']) == ['student', 'teacher']
    for model, channels in zip(seen['models'].values(), (64, 192)):
        assert [o['path'] for o in model['outputs']] == [
            'backbone.layer4.1.conv1',
            'backbone.layer4.1.conv2',
        ]
        assert all(o['shape'] == [channels, 16, 16] for o in model['outputs'])
        assert model['parameters'] > 0
        assert model['flops'] > 0
    assert seen['pairs'][0]['connected_shape'] == [192, 16, 16]
    assert seen['weights'].endswith('(no such file yet)')


def test_a_classifier_of_mmpretrain():
    text = inspect('mmpretrain::resnet/resnet18_8xb32_in1k.py', '--depth', 1)
    assert rows(text)['backbone[0]'] == ['ResNet', '(N, 512, 7, 7)']
    assert rows(text)['head'] == ['LinearClsHead', '(N, 1000)']
    assert rows(text)['model'] == ['11.690 M', '1.814 G']
    assert 'backbone.layer4' not in text


def test_a_transformer_with_a_head_of_several_inputs():
    config = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
    found = rows(inspect(config, '--shape', 64, 96))
    shapes = ['(N, 32, 16, 24)', '(N, 64, 8, 12)', '(N, 160, 4, 6)', '(N, 256, 2, 3)']
    assert [found[f'backbone[{n}]'][1] for n in range(4)] == shapes
    assert found['decode_head.convs'][1] == 'a container: tap its elements'
    assert found['decode_head.fusion_conv'][1] == '(N, 256, 16, 24)'


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (('absent.py',), "config: no config file 'absent.py'"),
        ((STUDENT, '--shape', '0', '64'), '--shape takes two positive numbers'),
        ((STUDENT, '--depth', '0'), '--depth must be at least 1'),
        (
            (ICKD, '--cfg-options', 'model.pairs.loss_icc.student=backbone.layr4'),
            "no module 'backbone.layr4'; nearest: backbone.layer4",
        ),
    ],
    ids=['config', 'shape', 'depth', 'tap'],
)
def test_errors_name_the_key(args, said):
    done = run_tool(TOOL, *args)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    assert said in ' '.join(done.stderr.split())
