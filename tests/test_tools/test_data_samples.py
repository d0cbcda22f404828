"""Models that do not run on images alone can be students and teachers."""

import re

import pytest
import torch
from support.asking import AskingHead, BrokenHead, MaskingEncoderDecoder  # noqa: F401
from support.models import batch
from support.repository import ICKD, REPO, TEACHER, data_options, model_config
from support.tools import run_tool, scalars, succeed, train

from ickd_mm.features.taps import Tap
from ickd_mm.registry import MODELS
from ickd_mm.teachers.frozen_teacher import FrozenTeacher
from ickd_mm.teachers.options import TeacherOptions

pytestmark = pytest.mark.slow

WITH_SUPPORT = dict(PYTHONPATH=str(REPO / 'tests'))


def write(folder, student, teacher):
    (folder / 'teacher.py').write_text(f'_base_ = {str(TEACHER)!r}\nmodel = {teacher!r}\n')
    (folder / 'config.py').write_text(
        f"_base_ = {str(ICKD)!r}\ncustom_imports = dict(imports=['support.asking'])\n"
        f'model = dict(student={student!r}, teacher={str(folder / "teacher.py")!r})\n'
    )
    return folder / 'config.py'


ASKING = dict(decode_head=dict(type='ickd_mm.AskingHead'))
MASKING = dict(type='ickd_mm.MaskingEncoderDecoder')
CASES = {
    'the head asks, the tap is before it': (ASKING, ASKING),
    'the whole teacher asks': ({}, MASKING),
    'the whole student asks': (MASKING, {}),
}


@pytest.mark.parametrize('case', CASES)
def test_a_model_that_asks_is_built_and_trains(case, distiller_cfg, scope):
    student, teacher = CASES[case]
    for cfg, changes in ((distiller_cfg.student, student), (distiller_cfg.teacher, teacher)):
        for key, value in changes.items():
            cfg[key] = {**cfg[key], **value} if isinstance(value, dict) else value
    model = MODELS.build(distiller_cfg)
    data = model.data_preprocessor(batch(), training=True)
    for sample in data['data_samples']:  # a library whose models ask for it notes it
        sample.set_metainfo(dict(batch_input_shape=(64, 64)))
    assert model.train()(**data, mode='loss')['loss_icc'] > 0


def test_the_teacher_gets_the_students_real_samples(scope):
    tap = Tap.parse('backbone.layer4')
    torch.manual_seed(0)
    model = MODELS.build(model_config('pspnet_teacher_digits') | MASKING).eval()
    frozen = FrozenTeacher(model, [tap], None, run=TeacherOptions(fold=False), size=(64, 64))
    data = batch()
    data['data_samples'][1].set_metainfo(dict(img_shape=(32, 48)))
    images = torch.randn(2, 3, 64, 64)
    masked = images.clone()
    masked[1, :, 32:] = masked[1, :, :, 48:] = 0
    with torch.no_grad():
        want = model.backbone(masked)[3]
    got = frozen(images, data['data_samples'])[tap]
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert 'batch_input_shape' not in data['data_samples'][0]
    assert not torch.allclose(frozen(images)[tap], want)


def test_a_store_cannot_tell_such_batches_apart(scope, tmp_path):
    model = MODELS.build(model_config('pspnet_teacher_digits') | MASKING)
    run = TeacherOptions(store=str(tmp_path))
    with pytest.raises(ValueError, match=r'teacher_run.store=.*MaskingEncoderDecoder\) needs data'):
        FrozenTeacher(model, [Tap.parse('backbone.layer4')], None, run=run, size=(64, 64))


def test_what_still_cannot_run_is_named(distiller_cfg, scope):
    pair = distiller_cfg.pairs.loss_icc
    for role in ('student', 'teacher'):
        with pytest.raises(RuntimeError) as caught:  # noqa: PT012
            distiller_cfg[role].decode_head.type = 'ickd_mm.BrokenHead'
            pair[role] = 'decode_head.bottleneck'
            MODELS.build(distiller_cfg)
        own = ", model.teacher_run.size the teacher's alone" * (role == 'teacher')
        assert str(caught.value) == (
            f'the {role} (EncoderDecoder) cannot run on images of 64x64 (model.input_size sets '
            f'another size{own}), nor with data samples made for them: ArithmeticError: '
            'no pyramid today; the last of its modules that ran is '
            "'backbone'"
        )
        distiller_cfg[role].decode_head.type = 'PSPHead'


def test_the_tools_train_and_inspect_them(digits, teacher_file, tmp_path):
    config = write(tmp_path, ASKING, MASKING)
    options = [*data_options(digits), f'model.teacher_ckpt={teacher_file}', 'teacher_val=False',
               'train_cfg.max_iters=2', 'train_cfg.val_interval=2']  # fmt: skip
    succeed(train(config, tmp_path / 'run', *options, env=WITH_SUPPORT))
    logged = [line for line in scalars(tmp_path / 'run') if 'loss_icc' in line]
    assert [line['loss_icc'] > 0 for line in logged] == [True, True]

    done = run_tool(REPO / 'tools/inspect_model.py', config, env=dict(WITH_SUPPORT, COLUMNS='160'))
    text = re.sub(r'\s+', ' ', succeed(done).stdout)
    assert '│ backbone.layer4 │ ResLayer │ (N, 64, 16, 16) │' in text
    assert '│ (N, 64, 16, 16) │ (N, 192, 16, 16) │ (N, 192, 16, 16) │' in text
