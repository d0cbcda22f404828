"""Every loss of torchdistill, through the adapter and called as torchdistill calls it."""

import subprocess
import sys

import pytest
import torch
from mmengine.logging import MMLogger
from support import batch

from ickd_mm import ICKDLoss, KLDivergence, TorchdistillLoss, VIDRegressor
from ickd_mm.losses.torchdistill_rules import REFUSED, RULES
from ickd_mm.registry import MODELS

mid_level = pytest.importorskip('torchdistill.losses.mid_level')
from torchdistill.losses.registry import MIDDLE_LEVEL_LOSS_DICT  # noqa: E402

MAP, WIDE, ROW, WIDE_ROW = (4, 6, 3, 5), (4, 9, 4, 4), (4, 6), (4, 9)
ONE = dict(tap=dict(student=dict(io='output', path='x'), teacher=dict(io='output', path='x')))
BOTH = dict(student_module_path='x', teacher_module_path='x')
IO = dict(student_module_io='output', teacher_module_io='output')
OUT = dict(student_output_path='x', teacher_output_path='x')
GAUSSIAN = dict(type='gaussian', gamma=0.4, max_p=2)

# key: (arguments for the adapter, all arguments for torchdistill, student's shape, teacher's)
TABLE = {
    'ATLoss': (dict(mode='paper'), dict(at_pairs=ONE, mode='paper'), MAP, (4, 9, 3, 5)),
    'AffinityLoss': ({}, BOTH, MAP, MAP),
    'AltActTransferLoss': (
        dict(margin=0.5),
        dict(feature_pairs=ONE, margin=0.5, reduction='mean'),
        MAP,
        MAP,
    ),
    'CCKDLoss': (
        {},
        dict(
            student_linear_path='x',
            teacher_linear_path='x',
            kernel_config=GAUSSIAN,
            reduction='batchmean',
        ),
        ROW,
        WIDE_ROW,
    ),
    'ChSimLoss': ({}, dict(feature_pairs=ONE), MAP, (4, 6, 4, 4)),
    'DISTLoss': (dict(tau=4.0), dict(**BOTH, **IO, tau=4.0), ROW, ROW),
    'FTLoss': (dict(p=2), dict(p=2, paraphraser_path='x', translator_path='x'), MAP, MAP),
    'HierarchicalContextLoss': ({}, dict(**BOTH, **IO), MAP, MAP),
    'KDLoss': (dict(temperature=4.0), dict(**BOTH, **IO, temperature=4.0, alpha=0), ROW, ROW),
    'KTALoss': ({}, dict(knowledge_translator_path='x', feature_adapter_path='x'), MAP, MAP),
    'LogitStdKDLoss': ({}, dict(**BOTH, **IO, temperature=2.0, alpha=0), ROW, ROW),
    'PKTLoss': ({}, dict(**BOTH, **IO), ROW, WIDE_ROW),
    'RKDLoss': (
        dict(dist_factor=25.0, angle_factor=50.0),
        dict(**OUT, dist_factor=25.0, angle_factor=50.0, reduction='mean'),
        MAP,
        WIDE,
    ),
    'SKDDirectionLoss': ({}, dict(**BOTH, **IO), ROW, WIDE_ROW),
    'SKDInstanceLoss': (dict(mode='code'), dict(**BOTH, **IO, mode='code'), ROW, ROW),
    'SPKDLoss': ({}, dict(**OUT, reduction='batchmean'), MAP, WIDE),
}


def tensors(student, teacher, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(student, dtype=dtype, requires_grad=True), torch.randn(teacher, dtype=dtype)


def test_every_loss_of_torchdistill_is_decided_on():
    assert set(MIDDLE_LEVEL_LOSS_DICT) == {*RULES, *REFUSED} and not {*RULES} & {*REFUSED}
    assert {*TABLE, 'VIDLoss'} == {*RULES}


@pytest.mark.parametrize('key', TABLE)
def test_value_and_gradient_are_torchdistills(key):
    arguments, theirs, *shapes = TABLE[key]
    student, teacher = tensors(*shapes)
    direct = getattr(mid_level, key)(**theirs)
    value = (student, None) if key == 'HierarchicalContextLoss' else student
    want = direct({'x': {'output': value}}, {'x': {'output': teacher}}, targets=None)
    (want_grad,) = torch.autograd.grad(want, student)
    loss = TorchdistillLoss(key, loss_weight=3.0, **arguments)(student, teacher.requires_grad_())
    loss.backward()
    assert loss.dim() == 0 and loss.isfinite() and loss != 0
    assert torch.equal(loss, 3.0 * want) and torch.allclose(student.grad, 3.0 * want_grad)
    assert student.grad.any() and teacher.grad is None


@pytest.mark.parametrize('key', TABLE)
@pytest.mark.parametrize('side', [0, 1])
def test_shapes_that_would_be_broadcast_are_named(key, side):
    *_, student, teacher = TABLE[key]
    shapes = [list(student), list(teacher)]
    shapes[side][0] += 1
    with pytest.raises(ValueError, match=f'{key}: N.* must agree') as raised:
        TorchdistillLoss(key)(*tensors(*shapes))
    assert all(str(tuple(shape)) in str(raised.value) for shape in shapes)


@pytest.mark.parametrize('key', TABLE)
def test_axes_that_must_agree_do(key):
    *_, student, teacher = TABLE[key]
    for axis in range(1, len(student)):
        if 'NCHW'[axis] in RULES[key].equal:
            shape = [*teacher]
            shape[axis] = 1
            with pytest.raises(ValueError, match=f'{"NCHW"[axis]}.* must agree'):
                TorchdistillLoss(key)(*tensors(student, shape))


@pytest.mark.parametrize('key', [key for key in TABLE if RULES[key].dims == (2,)])
def test_losses_of_vectors_want_to_know_how_to_read_a_map(key):
    with pytest.raises(ValueError, match="rows='images' or 'pixels'"):
        TorchdistillLoss(key)(*tensors(MAP, MAP))
    student, teacher = tensors(MAP, MAP)
    by_hand = {
        'images': lambda x: x.mean((2, 3)),
        'pixels': lambda x: x.movedim(1, 3).reshape(-1, x.shape[1]),
    }
    for rows, change in by_hand.items():
        got = TorchdistillLoss(key, rows=rows)(student, teacher)
        assert torch.allclose(got, TorchdistillLoss(key)(change(student), change(teacher)))


@pytest.mark.parametrize('key', ['ATLoss', 'ChSimLoss', 'AffinityLoss'])
def test_losses_of_maps_refuse_rows(key):
    with pytest.raises(ValueError, match=r'takes \(N, C, H, W\)'):
        TorchdistillLoss(key)(*tensors(ROW, ROW))


@pytest.mark.parametrize('key', TABLE)
@pytest.mark.parametrize('silent', ['student', 'teacher', 'both'])
def test_what_is_zero_in_all_of_an_image_or_row_harms_nothing(key, silent):
    arguments, _, *shapes = TABLE[key]
    student, teacher = (x.detach() for x in tensors(*shapes))
    student[1] *= silent == 'teacher'
    teacher[1] *= silent == 'student'
    loss = TorchdistillLoss(key, **arguments)(student.requires_grad_(), teacher)
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all() and student.grad.any()
    if RULES[key].norms:
        assert student.grad[1].any() == (silent == 'teacher')


@pytest.mark.parametrize('silent', ['student', 'teacher', 'both'])
def test_a_dead_channel_harms_nothing_where_channels_are_normalised(silent):
    student, teacher = (x.detach() for x in tensors(MAP, MAP))
    student[1, 2] *= silent == 'teacher'
    teacher[1, 2] *= silent == 'student'
    loss = TorchdistillLoss('AffinityLoss')(student.requires_grad_(), teacher)
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all() and student.grad[1, 0].any()


STEEP = {
    'SPKDLoss': 'an image of zeros',
    'ChSimLoss': 'a channel of zeros',
    'DISTLoss': 'rows of zeros',
    'LogitStdKDLoss': 'rows of zeros',
    'RKDLoss': 'two equal images',
    'SKDDirectionLoss': 'the teacher itself',
}


def steep_case(key):
    """A student's and a teacher's tensor, and which part of the student gets no gradient."""
    *_, student, teacher = TABLE[key]
    student, teacher = (x.detach() for x in tensors(student, teacher))
    still = torch.ones_like(student, dtype=torch.bool)
    if STEEP[key] == 'an image of zeros':
        student[1], still[[0, 2, 3]] = 0, False
    elif STEEP[key] == 'a channel of zeros':
        student[1, 2], still[:] = 0, False
        still[1, 2] = True
    elif STEEP[key] == 'rows of zeros':
        student[:] = 0
    elif STEEP[key] == 'two equal images':
        student[3], still[[0, 2]] = student[1], False
    else:
        student, teacher = student, student.clone()
    return student.requires_grad_(), teacher, still


@pytest.mark.parametrize('key', STEEP)
def test_what_makes_the_gradient_explode_gets_none(key):
    assert {name for name in RULES if RULES[name].steep} == {*STEEP}
    arguments, theirs, *_ = TABLE[key]
    student, teacher, still = steep_case(key)
    want = getattr(mid_level, key)(**theirs)(
        {'x': {'output': student}}, {'x': {'output': teacher}}, targets=None
    )
    (wild,) = torch.autograd.grad(want, student)
    assert not wild.isfinite().all() or wild.abs().max() > 1e5  # the fault is there
    twice = student * 1.0  # the student's own loss reads the same tensor
    loss = TorchdistillLoss(key, **arguments)(twice, teacher)
    assert loss.item() == pytest.approx(want.item())
    (own,) = torch.autograd.grad(loss, student, retain_graph=True)
    assert own.abs().max() < 100 and not own[still].any() and (own.any() or still.all())
    (both,) = torch.autograd.grad(loss + twice.sum(), student)
    assert torch.allclose(both, own + 1)


@pytest.mark.parametrize('key', ['DISTLoss', 'LogitStdKDLoss'])
def test_equal_rows_and_flat_rows_of_logits(key):
    logits = torch.randn(1, 6).repeat(4, 1).requires_grad_()
    teacher = torch.randn(4, 6)
    TorchdistillLoss(key)(logits, teacher).backward()
    assert logits.grad.abs().max() < 100 and logits.grad.any() == (key == 'LogitStdKDLoss')
    mixed = torch.randn(4, 6)
    mixed[1] = 7.0
    mixed.requires_grad_()
    TorchdistillLoss(key)(mixed, teacher).backward()
    assert mixed.grad.abs().max() < 100 and not mixed.grad[1].any() and mixed.grad[0].any()
    one = torch.randn(1, 6, requires_grad=True)
    TorchdistillLoss(key)(one, teacher[:1]).backward()
    assert one.grad.any()  # a row alone equals no other


def test_one_row_whose_relations_are_the_teachers_gives_no_nan():
    teacher, student = torch.eye(4, 6), torch.eye(4, 6)
    student[2, 3] = 0.7
    loss = TorchdistillLoss('SKDDirectionLoss')(student.requires_grad_(), teacher)
    loss.backward()
    assert loss > 0 and student.grad.isfinite().all()


@pytest.mark.parametrize('key', ['SPKDLoss', 'PKTLoss', 'CCKDLoss'])
def test_an_image_alone_has_no_relations_and_says_so_once(key, caplog):
    loss = TorchdistillLoss(key, unit=True)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        loss(*tensors((4, 6), (4, 6)))
        assert 'of one image alone it is 0' not in caplog.text
        for _ in range(2):
            assert abs(loss(*tensors((1, 6), (1, 6)))) < 1e-6
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text.count('of one image alone it is 0') == 1


@pytest.mark.parametrize('key', [key for key in TABLE if not RULES[key].norms])
def test_zeros_are_zeros_for_losses_that_divide_by_no_norm(key):
    arguments, theirs, *shapes = TABLE[key]
    student, teacher = (x.detach() for x in tensors(*shapes))
    student[1], teacher[1] = 0, 0
    value = (student, None) if key == 'HierarchicalContextLoss' else student
    direct = getattr(mid_level, key)(**theirs)
    want = direct({'x': {'output': value}}, {'x': {'output': teacher}}, targets=None)
    assert torch.equal(TorchdistillLoss(key, **arguments)(student, teacher), want)


def test_unit_rows_make_the_kernel_of_cc_a_gaussian():
    student, teacher = tensors(ROW, WIDE_ROW, torch.float64)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (student, teacher)]
    kernels = [torch.exp(-0.4 * torch.cdist(x, x) ** 2) for x in unit]
    # Twelve terms of the series, whose constant is torchdistill's 1.
    series = dict(type='gaussian', gamma=0.4, max_p=12)
    got = TorchdistillLoss('CCKDLoss', unit=True, kernel_config=series)(student, teacher)
    assert got.item() == pytest.approx((kernels[0] - kernels[1]).norm().item() / 16, rel=1e-8)
    raw = TorchdistillLoss('CCKDLoss', kernel_config=series)(student, teacher)
    assert raw > 10 * got


def test_unit_pixels_of_a_map():
    student, teacher = tensors(MAP, MAP)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (student, teacher)]
    got = TorchdistillLoss('AffinityLoss', unit=True)(student, teacher)
    assert torch.allclose(got, TorchdistillLoss('AffinityLoss')(*unit))
    student = student.detach()
    student[1, :, 2, 2] = 0
    student.requires_grad_()
    TorchdistillLoss('SPKDLoss', unit=True)(student, teacher).backward()
    assert student.grad.abs().max() < 1 and student.grad.any()
    assert not student.grad[1, :, 2, 2].any()
    with pytest.raises(ValueError, match='it takes no unit rows'):
        TorchdistillLoss('VIDLoss', unit=True)
    assert 'unit=True' in repr(TorchdistillLoss('AffinityLoss', unit=True))


@pytest.mark.parametrize('key', REFUSED)
def test_what_does_not_fit_a_pair_is_refused_with_the_reason(key):
    with pytest.raises(ValueError, match=f'{key} does not fit a pair: it '):
        TorchdistillLoss(key)


@pytest.mark.parametrize('wrong, right', [('SPKDLos', 'SPKDLoss'), ('dist', 'DISTLoss')])
def test_a_misspelt_name_lists_what_exists(wrong, right):
    with pytest.raises(KeyError, match=f"no loss '{wrong}' for a pair; nearest: {right}") as raised:
        TorchdistillLoss(wrong)
    assert all(key in str(raised.value) for key in RULES)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="no 'temprature' here; it takes temperature, reduction"):
        TorchdistillLoss('KDLoss', temprature=4.0)
    with pytest.raises(TypeError, match="no 'alpha' here .the labels.* it takes temperature"):
        TorchdistillLoss('KDLoss', alpha=0.5)
    with pytest.raises(TypeError, match="no 'student_output_path' here; it takes reduction"):
        TorchdistillLoss('SPKDLoss', student_output_path='layer4')
    with pytest.raises(ValueError, match="one of .'batchmean', 'sum'., got 'mean'"):
        TorchdistillLoss('SPKDLoss', reduction='mean')
    with pytest.raises(ValueError, match='one of .*, got None'):
        TorchdistillLoss('SPKDLoss', reduction=None)
    with pytest.raises(TypeError, match='ChSimLoss takes no .grid. here; it takes no arguments'):
        TorchdistillLoss('ChSimLoss', grid=2)
    with pytest.raises(ValueError, match='tau of DISTLoss must be positive and finite, got 0'):
        TorchdistillLoss('DISTLoss', tau=0)
    with pytest.raises(ValueError, match='temperature of KDLoss must be positive .* got -1.0'):
        TorchdistillLoss('KDLoss', temperature=-1.0)
    with pytest.raises(ValueError, match='temperature of KDLoss must be positive .* got None'):
        TorchdistillLoss('KDLoss', temperature=None)
    with pytest.raises(TypeError, match='kernel_config of CCKDLoss must be a dict, got None'):
        TorchdistillLoss('CCKDLoss', kernel_config=None)
    with pytest.raises(ValueError, match="ATLoss compares maps: it takes no rows='images'"):
        TorchdistillLoss('ATLoss', rows='images')
    with pytest.raises(ValueError, match='mode `papers`'):
        TorchdistillLoss('ATLoss', mode='papers')
    with pytest.raises(ValueError, match='rows must be'):
        TorchdistillLoss('PKTLoss', rows='pixel')
    with pytest.raises(ValueError, match='loss_weight must be'):
        TorchdistillLoss('PKTLoss', loss_weight=-1.0)


@pytest.mark.parametrize('key', ['RKDLoss', 'SKDDirectionLoss'])
def test_relations_need_two_rows(key):
    with pytest.raises(ValueError, match='N at least 2.*more of them, and drop_last=True'):
        TorchdistillLoss(key)(*tensors((1, 6), (1, 6)))


def test_a_part_of_the_kernel_keeps_the_rest():
    student, teacher = tensors(ROW, WIDE_ROW)
    whole = dict(type='gaussian', gamma=0.3, max_p=2)
    part = TorchdistillLoss('CCKDLoss', kernel_config=dict(gamma=0.3))(student, teacher)
    assert part == TorchdistillLoss('CCKDLoss', kernel_config=whole)(student, teacher)
    linear = TorchdistillLoss('CCKDLoss', kernel_config=dict(type='bilinear'))(student, teacher)
    want = (student @ student.T - teacher @ teacher.T).norm() / 16
    assert linear.item() == pytest.approx(want.item(), rel=1e-5)


@pytest.mark.parametrize('dtype, rel', [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_channel_similarity_is_ickd_over_the_batch_size(dtype, rel):
    student, teacher = tensors((5, 24, 7, 6), (5, 24, 4, 9), dtype)
    ours, theirs = ICKDLoss()(student, teacher), TorchdistillLoss('ChSimLoss')(student, teacher)
    assert 5 * theirs.item() == pytest.approx(ours.item(), rel=rel)
    grads = [torch.autograd.grad(x, student)[0] for x in (ours, 5 * theirs)]
    assert (grads[0] - grads[1]).norm() < rel * grads[0].norm()


def test_kd_is_our_divergence_without_the_square_of_the_temperature():
    student, teacher = tensors(MAP, MAP)
    theirs = TorchdistillLoss('KDLoss', rows='pixels', temperature=4.0)(student, teacher)
    assert torch.allclose(16 * theirs, KLDivergence(tau=4.0)(student, teacher), rtol=1e-5)


@pytest.mark.parametrize('key', ['SPKDLoss', 'ChSimLoss'])
def test_autocast_and_half_maps_are_computed_in_float32(key):
    student, teacher = tensors((2, 8, 40, 50), (2, 8, 40, 50))
    half = [(30 * x).detach().half() for x in (student, teacher)]
    with torch.autocast('cpu', torch.bfloat16):
        loss = TorchdistillLoss(key)(*half)
    assert loss.isfinite() and torch.equal(loss, TorchdistillLoss(key)(*[x.float() for x in half]))


def test_variational_distillation_by_its_formula():
    torch.manual_seed(0)
    student, teacher = tensors(MAP, (4, 9, 3, 5))
    connector = VIDRegressor(6, 9)
    loss = TorchdistillLoss('VIDLoss')(connector(student), teacher)
    mean = connector.regressor.regressor(student).double()
    variance = torch.full((9,), 5.0, dtype=torch.float64).view(1, 9, 1, 1)
    want = ((teacher.double() - mean) ** 2 / (2 * variance) + variance.log() / 2).mean()
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    loss.backward()
    assert all(p.grad.any() for p in connector.parameters()) and student.grad.any()
    with pytest.raises(ValueError, match='VIDRegressor'):
        TorchdistillLoss('VIDLoss')(student, teacher)


@pytest.mark.parametrize(
    'pair',
    [
        dict(loss=dict(key='SPKDLoss')),
        dict(loss=dict(key='PKTLoss', rows='images')),
        dict(loss=dict(key='VIDLoss'), connector=dict(type='ickd_mm.VIDRegressor')),
    ],
    ids=lambda pair: pair['loss']['key'],
)
def test_distils_through_a_pair(pair, scope, distiller_cfg):
    tap = 'backbone.layer4'
    loss = dict(type='ickd_mm.TorchdistillLoss', **pair['loss'])
    distiller_cfg.pairs = dict(loss_td=dict(pair, student=tap, teacher=tap, loss=loss))
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    assert pair['loss']['key'] in repr(model)
    losses = model(**model.data_preprocessor(batch(), training=True), mode='loss')
    losses['loss_td'].backward()
    assert model.backbone.stem[0].weight.grad.any()
    assert all(p.grad.any() for p in model.connectors.parameters())


def test_without_torchdistill_the_extra_is_named():
    code = (
        'import sys; sys.modules["torchdistill"] = None\n'
        'import ickd_mm\n'
        'for make in (lambda: ickd_mm.TorchdistillLoss("SPKDLoss"),\n'
        '             lambda: ickd_mm.VIDRegressor(2, 3)):\n'
        '    try: make()\n'
        '    except ImportError as error: print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.count("pip install 'ickd-mm[torchdistill]'") == 2, done.stderr


def test_without_torchvision_the_losses_work_and_the_regressor_names_it():
    code = (
        'import sys; sys.modules["torchvision"] = None\n'
        'import ickd_mm\n'
        'print(ickd_mm.TorchdistillLoss("SPKDLoss").key)\n'
        'try: ickd_mm.VIDRegressor(2, 3)\n'
        'except ImportError as error: print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.startswith('SPKDLoss\nVIDRegressor needs torchvision, which'), done.stderr
