"""Wrong configs and command lines end before training, and say what is wrong and what may be."""

import importlib.util
import re

import pytest
from mmengine.registry import init_default_scope
from support.forking import Forked
from support.repository import ICKD, REPO, STUDENT, TEACHER, data_options

from ickd_mm.commands.testing import prepare_testing
from ickd_mm.commands.training import prepare_training
from ickd_mm.registry import MODELS
from ickd_mm.runtime.run_hooks import wanted_hooks


def read_tool(name):
    spec = importlib.util.spec_from_file_location(f'{name}_tool', REPO / f'tools/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool, test_tool = read_tool('train'), read_tool('test')


def prepare(words):
    return prepare_training(tool.parse_arguments(words))


PAIR = 'model.pairs.loss_icc'
# What is changed -> what the error must say. The value itself is in it, or the key.
OPTIONS = {
    # Names that nothing would read
    'modle.teacher_ckpt=a.pth': "no 'modle'; did you mean 'model'",
    'train_cg.max_iters=5': "no 'train_cg'; did you mean 'train_cfg'",
    'teacher_vall=True': "did you mean 'teacher_val'",
    'model.teacher_ckp=a.pth': "unknown key 'teacher_ckp'.*did you mean 'teacher_ckpt'",
    'model.pair.loss_a.student=backbone': "unknown key 'pair'.*did you mean 'pairs'",
    'model.pairs.loss_iic.loss.grid=4': "loss_iic: 'student' is missing; did you mean 'loss_icc'",
    'model.decode_head.num_classes=5': 'model.decode_head: .* write model.student.decode_head',
    f'{PAIR}.studnt=backbone': "no 'studnt' in model.pairs.loss_icc; did you mean 'student'",
    f'{PAIR}.loss.gird=2': "pairs.loss_icc.loss: .*'gird'",
    f'{PAIR}.connector.kernel=3': "pairs.loss_icc.connector: .*'kernel'",
    # Taps
    f'{PAIR}.student=backbone.layer9': "student .* no module 'backbone.layer9'; nearest: .*layer4",
    f'{PAIR}.teacher=backbone.layer9': "teacher .* no module 'backbone.layer9'; nearest: .*layer4",
    f'{PAIR}.student=backbone': "student tap 'backbone' must give .* pick with backbone",
    f'{PAIR}.student=backbone[7]': r"student tap 'backbone\[7\]': cannot pick \[7\] from a tuple",
    f'{PAIR}.teacher=decode_head.loss_decode': "'decode_head.loss_decode' did not run in forward",
    f'{PAIR}.student=backbone..layer4': "'backbone..layer4' is not a module path; write 'backbone",
    f'{PAIR}.student=4': 'a tap is a module path, got 4',
    f'{PAIR}.student=None': "pairs.loss_icc: 'student' is missing",
    # Losses and connectors
    f'{PAIR}.loss.grid=0': 'grid must be a positive integer .*0',
    f'{PAIR}.loss.grid=-2': 'grid must be a positive integer .*-2',
    f'{PAIR}.loss.grid=1.5': 'grid must be a positive integer .*1.5',
    f'{PAIR}.loss.grid=(2,2,2)': r'grid must be a positive integer .*\(2, 2, 2\)',
    f'{PAIR}.loss.grid=17': r'\(2, 64, 16, 16\).*17.*finer than',
    f'{PAIR}.loss.loss_weight=-1.0': 'loss_weight must be finite and at least 0, got -1.0',
    f'{PAIR}.loss.loss_weight=inf': 'loss_weight must be .*finite.* got .*inf',
    f'{PAIR}.loss.loss_weight=heavy': "loss_weight must be .*'heavy'",
    f'{PAIR}.loss.type=ickd_mm.ICKLoss': 'pairs.loss_icc.loss: .*ickd_mm.ICKLoss.* registry',
    f'{PAIR}.loss=ICKDLoss': "pairs.loss_icc.loss must be a dict with a 'type', got 'ICKDLoss'",
    f'{PAIR}.connector.kernel_size=2': 'kernel_size must be 1 or 3, got 2',
    f'{PAIR}.connector.out_channels=7': r'\(2, 64, 16, 16\).*192.*do not go together',
    f'{PAIR}.connector.in_channels=63': 'loss_icc.*do not go together',
    f'{PAIR}.connector=None': r'\(2, 64, 16, 16\).*\(2, 192, 16, 16\).*do not go together',
    'model.pairs=loss_icc': 'pairs must be a dict of name -> pair, got str',
    # Student and teacher
    'model.student.type=ickd_mm.FeatureDistiller': 'student is a distiller itself',
    'model.teacher=no/such.py': "teacher: no config file 'no/such.py'",
    'model.teacher=ickd_mm::no/such.py': "teacher: no config 'ickd_mm::no/such.py'",
    'model.teacher=3': 'teacher must be a model dict, a config file or package::path, got int',
    f'model.teacher={STUDENT}': r'does not fit the teacher .*of another shape \d+ \(',
    'model.teacher_ckpt=none.pth': "teacher_ckpt 'none.pth' does not exist",
    'model.teacher_ckpt=zoo': "'zoo' needs teacher='package::path', got .*give a path or URL",
    'model.teacher_ckpt=None': "teacher_ckpt must be a path, a URL or 'zoo', got None",
    f'model.teacher_ckpt={REPO / "setup.cfg"}': 'setup.cfg.* is (refused|not a whole)',
    'model.student.backbone.type=ResNetV1x': 'ResNetV1x.* registry',
    'model.student.backbone.depht=34': "depht",
    'model.student.decode_head.num_classes=three': 'student: cannot build EncoderDecoder',
    # The run
    'custom_hooks.0.type=EMAHook': r"custom_hooks must be a list .* the config has none; write "
    r'custom_hooks = \[dict\(\.\.\.\)\] in a config file that inherits this one',
    'train_cfg.0.max_iters=3': "train_cfg must be a list to be indexed, but the config has {'type'",
    'model.student.neck.1.type=FPN': 'model.student.neck must be a list .*has none',
    'teacher_val=yes': "teacher_val must be True or False, got 'yes'",
    'finite_check=stop': "finite_check must be a dict.* got 'stop'",
    'val_evaluator=None': 'teacher_val is set and val_evaluator is not',
    'train_dataloader.dataset.data_root=no/where': "train_dataloader.*= 'no/where'",
    'val_dataloader.dataset.data_root=no/where': "val_dataloader.*= 'no/where'",
}  # fmt: skip


def build(options, digits, teacher_file, config=ICKD, flags=()):
    """Do what tools/train.py does, up to the built model and its hooks."""
    base = [*data_options(digits), f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    cfg = prepare([str(config), *map(str, flags), '--cfg-options', *base, *options])
    init_default_scope('mmseg')
    runner = type('Runner', (), dict(cfg=cfg, model=MODELS.build(cfg.model)))
    wanted_hooks(runner)
    return cfg


def test_the_right_config_builds(digits, teacher_file):
    build([], digits, teacher_file)


@pytest.mark.slow
@pytest.mark.parametrize('option', OPTIONS)
def test_a_wrong_value(option, digits, teacher_file):
    with pytest.raises((TypeError, ValueError, KeyError, RuntimeError, OSError)) as caught:
        build([option], digits, teacher_file)
    assert re.search(OPTIONS[option], str(caught.value), re.S), str(caught.value)


HEAD = f'_base_ = {str(ICKD)!r}\n'
TWICE = 'dict(student="backbone.layer4", teacher="backbone.layer4", loss=dict(type="x"))'
FILES = {
    'no pairs': (f'{HEAD}model = dict(pairs=dict(_delete_=True))', 'pairs is empty'),
    'two pairs in one literal': (
        f'{HEAD}model = dict(pairs={{"loss_a": {TWICE},\n "loss_a": {TWICE}}})',
        "line 3: key 'loss_a' appears twice",
    ),
    'two pairs in one dict()': (
        f'{HEAD}model = dict(pairs=dict(loss_a={TWICE}, loss_a={TWICE}))',
        'keyword argument repeated: loss_a',
    ),
    'a pair that is no loss': (
        f'{HEAD}model = dict(pairs=dict(icc={TWICE}))',
        "start with 'loss'.*rename it to 'loss_icc'",
    ),
    'a pair with a dot': (
        f'{HEAD}model = dict(pairs={{"loss.a": {TWICE}}})',
        "hold no dot.*rename it to 'loss_loss_a'",
    ),
    'a student that is the teacher object': (
        f'{HEAD}import torch\nboth = torch.nn.Identity()\nmodel = dict(student=both, teacher=both)',
        'student must be a model dict, a config file or package::path, got Identity',
    ),
    'no teacher': (
        f'_base_ = {str(STUDENT)!r}\nmodel = dict(_delete_=True, type="ickd_mm.FeatureDistiller",'
        ' student={{_base_.model}}, teacher_ckpt="a.pth", pairs=dict())',
        "'teacher' is missing",
    ),
    'teacher_val without a teacher': (
        f'_base_ = {str(STUDENT)!r}\nteacher_val = True',
        "teacher_val is set, but 'EncoderDecoder' has no teacher",
    ),
    'a syntax error': ('model = dict(', 'syntax error|was never closed|unexpected EOF'),
    'a base that is not there': ('_base_ = "./none.py"', 'none.py'),
}


@pytest.mark.parametrize('name', FILES)
def test_a_wrong_file(name, digits, teacher_file, tmp_path):
    text, message = FILES[name]
    (tmp_path / 'wrong.py').write_text(text)
    errors = (TypeError, ValueError, KeyError, OSError, SyntaxError)
    with pytest.raises(errors) as caught:  # noqa: PT012
        cfg = prepare([str(tmp_path / 'wrong.py'), '--data-root', str(digits)])
        cfg.model.teacher_ckpt = teacher_file
        MODELS.build(cfg.model)
    assert re.search(message, str(caught.value), re.S), str(caught.value)


def test_a_repeated_key_in_an_inherited_file_is_found(tmp_path):
    (tmp_path / 'base.py').write_text('a = {"x": 1,\n     "x": 2}\n')
    (tmp_path / 'top.py').write_text('_base_ = ["./base.py"]\n')
    with pytest.raises(KeyError, match=r"base.py, line 2: key 'x' appears twice"):
        prepare([str(tmp_path / 'top.py')])


def test_resuming_from_what_is_no_training_checkpoint(digits, teacher_file):
    with pytest.raises(ValueError, match=r'lacks message_hub, optimizer.*load_from'):
        build([], digits, teacher_file, flags=['--resume', teacher_file])
    with pytest.raises(FileNotFoundError, match=r"'none.pth' does not exist"):
        build([], digits, teacher_file, flags=['--resume', 'none.pth'])


def test_amp_with_another_wrapper(digits, teacher_file):
    with pytest.raises(ValueError, match=r"--amp needs .*'OptimWrapper', the config has 'Other'"):
        build(['optim_wrapper.type=Other'], digits, teacher_file, flags=['--amp'])


def test_augmentation_at_test_time_that_the_config_does_not_have(digits):
    words = [str(ICKD), 'a.pth', '--tta', '--data-root', str(digits)]
    pipeline = 'tta_pipeline=[a]'
    for more, said in (
        ([], "--tta needs 'tta_pipeline' in the config, .* mmseg's .*/datasets/pascal_voc12.py"),
        (['--cfg-options', pipeline], r"needs 'tta_model' .* = dict\(type='SegTTAModel'\)"),
    ):
        with pytest.raises(ValueError, match=said):
            prepare_testing(test_tool.parse_arguments([*words, *more]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('script', 'args', 'message'),
    [
        ('train.py', ('no/such.py',), "config 'no/such.py' does not exist"),
        ('train.py', (STUDENT, '--lancher', 'none'), 'unrecognized arguments: --lancher'),
        ('train.py', (STUDENT, '--launcher', 'cloud'), "invalid choice: 'cloud'"),
        ('train.py', (), 'required: config'),
        ('test.py', (STUDENT,), 'name the checkpoint to test, or --teacher'),
        ('export_student.py', ('none.pth', 'out.pth'), "'none.pth' does not exist"),
        ('export_student.py', ('none.pth', 'out.txt'), "must end in '.pth' or '.safetensors'"),
    ],
)
def test_a_wrong_command_line(script, args, message, tmp_path):
    done = Forked(script, *args, output=tmp_path / 'output.txt').wait()
    assert done.returncode != 0, done.stderr[-800:]
    assert message in done.stderr.splitlines()[-1], done.stderr[-800:]
