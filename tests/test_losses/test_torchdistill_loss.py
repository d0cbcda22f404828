"""Every loss of torchdistill, through the adapter and called as torchdistill calls it."""

import subprocess
import sys

import pytest
import torch
from support.models import batch

from ickd_mm import ICKDLoss, KLDivergence, TorchdistillLoss, VIDRegressor
from ickd_mm.registry import MODELS

mid_level = pytest.importorskip('torchdistill.losses.mid_level')
from torchdistill.losses.registry import MIDDLE_LEVEL_LOSS_DICT  # noqa: E402

MAP, WIDE, ROW, WIDE_ROW = (4, 6, 3, 5), (4, 9, 4, 4), (4, 6), (4, 9)
ONE = dict(tap=dict(student=dict(io='output', path='x'), teacher=dict(io='output', path='x')))
BOTH = dict(student_module_path='x', teacher_module_path='x')
IO = dict(**BOTH, student_module_io='output', teacher_module_io='output')
OUT = dict(student_output_path='x', teacher_output_path='x')
LINEAR = dict(student_linear_path='x', teacher_linear_path='x')
GAUSSIAN = dict(type='gaussian', gamma=0.4, max_p=2)
KD = dict(**IO, alpha=0)
FT = dict(paraphraser_path='x', translator_path='x')
KTA = dict(knowledge_translator_path='x', feature_adapter_path='x')

# key: (arguments, torchdistill's beside them, student's shape, teacher's, reductions); the shapes
# differ wherever the loss allows it.
TABLE = {
    'ATLoss': (dict(mode='paper'), dict(at_pairs=ONE), MAP, (4, 9, 3, 5), ''),
    'AffinityLoss': ({}, BOTH, MAP, MAP, 'mean sum'),
    'AltActTransferLoss': (dict(margin=0.5), dict(feature_pairs=ONE), MAP, MAP, 'mean sum'),
    'CCKDLoss': (dict(kernel_config=GAUSSIAN), LINEAR, ROW, WIDE_ROW, 'batchmean sum'),
    'ChSimLoss': ({}, dict(feature_pairs=ONE), MAP, (4, 6, 4, 4), ''),
    'DISTLoss': (dict(beta=2.0, tau=4.0), IO, ROW, ROW, ''),
    'FTLoss': (dict(p=2), FT, MAP, MAP, 'mean sum'),
    'HierarchicalContextLoss': ({}, IO, MAP, MAP, 'mean sum'),
    'KDLoss': (dict(temperature=4.0), KD, ROW, ROW, 'batchmean mean sum'),
    'KTALoss': ({}, KTA, MAP, MAP, 'mean sum'),
    'LogitStdKDLoss': (dict(temperature=2.0), KD, ROW, ROW, 'batchmean mean sum'),
    'PKTLoss': ({}, IO, ROW, WIDE_ROW, ''),
    'RKDLoss': (dict(dist_factor=25.0, angle_factor=50.0), OUT, MAP, WIDE, 'mean sum'),
    'SKDDirectionLoss': ({}, IO, ROW, WIDE_ROW, ''),
    'SKDInstanceLoss': (dict(mode='code'), IO, ROW, ROW, ''),
    'SPKDLoss': ({}, OUT, MAP, WIDE, 'batchmean sum'),
}
REASONS = {
    'AuxSSKDLoss': 'a part of the teacher',
    'CRDLoss': 'the index of every sample',
    'DISTPlusLoss': 'logits and features at once; DISTLoss',
    'FSPLoss': 'two layers of each model',
    'PADL2Loss': 'a second branch of the student',
    'RegularizationLoss': 'one of the two models only',
    'SRDLoss': 'logits and features at once',
    'SSKDLoss': 'labels, rotated images',
}
DIVIDES = ('AffinityLoss', 'FTLoss', 'KTALoss', 'PKTLoss', 'SKDDirectionLoss')  # by a norm of 0


def tensors(student, teacher, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(student, dtype=dtype, requires_grad=True), torch.randn(teacher, dtype=dtype)


def directly(key, student, teacher, **arguments):
    """The loss as torchdistill calls it."""
    given, paths, *_, reductions = TABLE[key]
    rest = {**given, **arguments}
    if reductions:
        rest.setdefault('reduction', reductions.split()[0])
    value = (student, None) if key == 'HierarchicalContextLoss' else student
    loss = getattr(mid_level, key)(**paths, **rest)
    return loss({'x': {'output': value}}, {'x': {'output': teacher}}, targets=None)


def test_every_loss_of_torchdistill_is_accepted_or_refused():
    assert {*MIDDLE_LEVEL_LOSS_DICT} == {*TABLE, *REASONS, 'VIDLoss'}


@pytest.mark.parametrize('key', TABLE)
def test_value_and_gradient_are_torchdistills(key):
    arguments, _, *shapes, reductions = TABLE[key]
    student, teacher = tensors(*shapes)
    for own in [{}, *(dict(reduction=name) for name in reductions.split())]:
        want = directly(key, student, teacher, **own)
        module = TorchdistillLoss(key, loss_weight=3.0, **arguments, **own)
        loss = module(student, teacher.requires_grad_())
        assert loss.dim() == 0
        assert loss != 0
        assert torch.equal(loss, 3.0 * want)
        grads = torch.autograd.grad(loss, (student, teacher), allow_unused=True)
        (want_grad,) = torch.autograd.grad(3.0 * want, student)
        assert want_grad.any()
        assert torch.allclose(grads[0], want_grad)
        assert grads[1] is None


@pytest.mark.parametrize('key', TABLE)
def test_shapes_that_would_be_broadcast_are_refused(key):
    _, _, student, teacher, _ = TABLE[key]
    for axis, (ours, theirs) in enumerate(zip(student, teacher)):
        if ours == theirs:
            wrong = [*teacher]
            wrong[axis] = 1
            with pytest.raises(ValueError, match=f'{key} takes.*{"NCHW"[axis]}') as raised:
                TorchdistillLoss(key)(*tensors(student, wrong))
            assert str(student) in str(raised.value)
            assert str(tuple(wrong)) in str(raised.value)
    with pytest.raises(ValueError, match='takes non-empty'):
        TorchdistillLoss(key)(*tensors((0, *student[1:]), (0, *teacher[1:])))


@pytest.mark.parametrize('key', TABLE)
def test_rows_of_a_map(key):
    _, _, student, teacher, _ = TABLE[key]
    if key in ('ATLoss', 'AffinityLoss', 'ChSimLoss', 'HierarchicalContextLoss'):
        with pytest.raises(ValueError, match=r"rows must be None .*, got 'images'"):
            TorchdistillLoss(key, rows='images')
        with pytest.raises(ValueError, match='takes non-empty maps'):
            TorchdistillLoss(key)(*tensors(ROW, ROW))
        return
    if len(student) == 2:
        with pytest.raises(ValueError, match=r'takes non-empty rows \(N, C\).*rows= makes rows'):
            TorchdistillLoss(key)(*tensors(MAP, MAP))
    student, teacher = tensors(MAP, MAP)
    pooled = [x.mean((2, 3)) for x in (student, teacher)]
    pixels = [x.movedim(1, 3).reshape(-1, 6) for x in (student, teacher)]
    loss = TorchdistillLoss(key)
    assert torch.allclose(TorchdistillLoss(key, rows='images')(student, teacher), loss(*pooled))
    assert torch.allclose(TorchdistillLoss(key, rows='pixels')(student, teacher), loss(*pixels))


CASES = [*((key, 1) for key in TABLE), ('AffinityLoss', (1, 2))]


@pytest.mark.parametrize(('key', 'part'), CASES)
@pytest.mark.parametrize('silent', ['student', 'teacher', 'both'])
def test_an_image_row_or_channel_of_zeros_gives_no_nan(key, part, silent):
    arguments, _, *shapes, _ = TABLE[key]
    student, teacher = (x.detach() for x in tensors(*shapes))
    student[part] *= silent == 'teacher'
    teacher[part] *= silent == 'student'
    want = directly(key, student, teacher)
    loss = TorchdistillLoss(key, **arguments)(student.requires_grad_(), teacher)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
    assert student.grad[0].any()
    if key in DIVIDES:
        assert student.grad[part].any() == (silent == 'teacher')
    else:
        assert torch.equal(loss, want)


# key, what is special about the student, which part of it gets no gradient
STEEP = [
    ('SPKDLoss', 'image 1 is 0', 1),
    ('ChSimLoss', 'channel 2 of image 1 is 0', (1, 2)),
    ('DISTLoss', 'all is 0', ...),
    ('LogitStdKDLoss', 'all is 0', ...),
    ('DISTLoss', 'row 1 is flat', 1),
    ('LogitStdKDLoss', 'row 1 is flat', 1),
    ('DISTLoss', 'rows are equal', ...),
    ('RKDLoss', 'images 1 and 3 are equal', [1, 3]),
    ('SKDDirectionLoss', 'it is the teacher', ...),
]


@pytest.mark.parametrize(('key', 'case', 'part'), STEEP)
def test_what_makes_the_gradient_explode_gets_none(key, case, part):
    arguments, _, *shapes, _ = TABLE[key]
    student, teacher = (x.detach() for x in tensors(*shapes))
    if case == 'it is the teacher':
        teacher = student.clone()
    elif 'equal' in case:
        student[part] = student[1].clone()
    else:
        student[part] = 7.0 * case.endswith('flat')
    student.requires_grad_()
    want = directly(key, student, teacher)
    (wild,) = torch.autograd.grad(want, student)
    assert not wild.isfinite().all() or wild.abs().max() > 1e5  # torchdistill's fault is there
    shared = student * 1.0  # the student's own loss reads the same tensor
    loss = TorchdistillLoss(key, **arguments)(shared, teacher)
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    (own,) = torch.autograd.grad(loss, student, retain_graph=True)
    assert own.abs().max() < 100
    assert not own[part].any()
    assert own.any() == (part is not ...)
    (both,) = torch.autograd.grad(loss + shared.sum(), student)
    assert torch.allclose(both, own + 1)


@pytest.mark.parametrize(('key', 'rows'), [('LogitStdKDLoss', 4), ('DISTLoss', 1)])
def test_equal_rows_keep_a_gradient_that_is_finite(key, rows):
    student, teacher = tensors((1, 6), (rows, 6))
    arguments, equal = TABLE[key][0], student.expand(rows, 6)
    (own,) = torch.autograd.grad(TorchdistillLoss(key, **arguments)(equal, teacher), student)
    (want,) = torch.autograd.grad(directly(key, equal, teacher), student)
    assert own.any()
    assert torch.allclose(own, want)


def test_one_row_whose_relations_are_the_teachers_gives_no_nan():
    teacher, student = torch.eye(4, 6), torch.eye(4, 6)
    student[2, 3] = 0.7
    loss = TorchdistillLoss('SKDDirectionLoss')(student.requires_grad_(), teacher)
    loss.backward()
    assert loss > 0
    assert student.grad.isfinite().all()


@pytest.mark.filterwarnings('default')
@pytest.mark.parametrize('key', ['SPKDLoss', 'PKTLoss', 'CCKDLoss', 'RKDLoss', 'SKDDirectionLoss'])
def test_an_image_alone_has_no_relations(key, recwarn):
    loss = TorchdistillLoss(key, unit=True)
    loss(*tensors(ROW, ROW))
    assert not recwarn.list
    if key in ('RKDLoss', 'SKDDirectionLoss'):
        with pytest.raises(ValueError, match=r'N at least 2.*drop_last=True'):
            loss(*tensors((1, 6), (1, 6)))
        return
    with pytest.warns(UserWarning, match=f'{key} compares images: a batch of one gives 0'):
        assert abs(loss(*tensors((1, 6), (1, 6)))) < 1e-6


def test_unit_rows_make_the_kernel_of_cc_a_gaussian():
    student, teacher = tensors(ROW, WIDE_ROW, torch.float64)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (student, teacher)]
    kernels = [torch.exp(-0.4 * torch.cdist(x, x) ** 2) for x in unit]
    # Twelve terms of the series, whose constant is torchdistill's 1. The rest is the default.
    series = TorchdistillLoss('CCKDLoss', unit=True, kernel_config=dict(max_p=12))
    want = (kernels[0] - kernels[1]).norm() / 16
    assert series(student, teacher).item() == pytest.approx(want.item(), rel=1e-8)


def test_unit_pixels_of_a_map():
    student, teacher = tensors(MAP, MAP)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (student, teacher)]
    loss = TorchdistillLoss('AffinityLoss', unit=True)
    assert torch.allclose(loss(student, teacher), TorchdistillLoss('AffinityLoss')(*unit))
    student = student.detach()
    student[1, :, 2, 2] = 0
    student.requires_grad_()
    TorchdistillLoss('SPKDLoss', unit=True)(student, teacher).backward()
    assert 0 < student.grad.abs().max() < 1
    assert not student.grad[1, :, 2, 2].any()
    assert 'AffinityLoss, rows=None, unit=True' in repr(loss)


@pytest.mark.parametrize('key', REASONS)
def test_what_does_not_fit_a_pair_is_refused_with_the_reason(key):
    with pytest.raises(ValueError, match=rf'{key} does not fit a pair: it .*{REASONS[key]}'):
        TorchdistillLoss(key)


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(KeyError, match="no loss 'SPKDLos' for a pair") as raised:
        TorchdistillLoss('SPKDLos')
    assert all(key in str(raised.value) for key in TABLE)


@pytest.mark.parametrize(
    ('key', 'arguments', 'error', 'says'),
    [
        (
            'KDLoss',
            dict(temprature=4.0),
            TypeError,
            "no argument 'temprature' .* takes temperature,",
        ),
        ('KDLoss', dict(alpha=0.5), TypeError, "'alpha' here: .*labels are the distiller's"),
        ('SPKDLoss', dict(student_output_path='x'), TypeError, 'takes reduction; modules'),
        ('ChSimLoss', dict(grid=2), TypeError, "'grid' here: it takes none"),
        ('SPKDLoss', dict(reduction='mean'), ValueError, "in .'batchmean', 'sum'., got 'mean'"),
        ('FTLoss', dict(reduction=None), ValueError, "in .'mean', 'sum'., got None"),
        ('DISTLoss', dict(tau=0), ValueError, "positive and finite, got {'tau': 0}"),
        ('KDLoss', dict(temperature=-1.0), ValueError, "positive .* got {'temperature': -1.0}"),
        ('SKDInstanceLoss', dict(temperature=float('inf')), ValueError, 'positive and finite'),
        ('PKTLoss', dict(rows='pixel'), ValueError, "for rows 'images', 'pixels'.*, got 'pixel'"),
        ('PKTLoss', dict(loss_weight=-1.0), ValueError, 'loss_weight must be'),
    ],
)
def test_wrong_arguments_are_refused(key, arguments, error, says):
    with pytest.raises(error, match=says):
        TorchdistillLoss(key, **arguments)


def test_channel_similarity_is_ickd_over_the_batch_size():
    student, teacher = tensors((5, 24, 7, 6), (5, 24, 4, 9))
    ours, theirs = ICKDLoss()(student, teacher), TorchdistillLoss('ChSimLoss')(student, teacher)
    assert 5 * theirs.item() == pytest.approx(ours.item(), rel=1e-5)


def test_kd_is_our_divergence_without_the_square_of_the_temperature():
    student, teacher = tensors(MAP, MAP)
    theirs = TorchdistillLoss('KDLoss', rows='pixels', temperature=4.0)(student, teacher)
    assert torch.allclose(16 * theirs, KLDivergence(tau=4.0)(student, teacher), rtol=1e-5)


def test_autocast_and_half_maps_are_computed_in_float32():
    half = [(30 * x).detach().half() for x in tensors((2, 8, 40, 50), (2, 8, 40, 50))]
    with torch.autocast('cpu', torch.bfloat16):
        loss = TorchdistillLoss('SPKDLoss')(*half)
    assert loss.isfinite()
    assert torch.equal(loss, TorchdistillLoss('SPKDLoss')(*[x.float() for x in half]))


def test_variational_distillation_by_its_formula():
    student, teacher = tensors(MAP, (4, 9, 3, 5))
    connector = VIDRegressor(6, 9)
    loss = TorchdistillLoss('VIDLoss')(connector(student), teacher)
    mean = connector.regressor.regressor(student).double()
    want = ((teacher.double() - mean) ** 2 / 10 + torch.tensor(5.0).double().log() / 2).mean()
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    loss.backward()
    assert all(p.grad.any() for p in connector.parameters())
    assert student.grad.any()
    with pytest.raises(ValueError, match=r'needs the output of ickd_mm\.VIDRegressor'):
        TorchdistillLoss('VIDLoss')(student, teacher)


def test_distils_through_a_pair(scope, distiller_cfg):
    tap, loss = 'backbone.layer4', dict(type='ickd_mm.TorchdistillLoss', key='VIDLoss')
    pair = dict(student=tap, teacher=tap, connector=dict(type='ickd_mm.VIDRegressor'), loss=loss)
    distiller_cfg.pairs = dict(loss_td=pair)
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    losses = model(**model.data_preprocessor(batch(), training=True), mode='loss')
    losses['loss_td'].backward()
    assert model.backbone.stem[0].weight.grad.any()
    assert all(p.grad.any() for p in model.connectors.parameters())


@pytest.mark.slow
@pytest.mark.parametrize('missing', ['torchdistill', 'torchvision'])
def test_a_missing_package_is_named_when_it_is_needed(missing):
    code = (
        f'import sys; sys.modules[{missing!r}] = None\n'
        'import ickd_mm\n'
        'for make in (lambda: ickd_mm.TorchdistillLoss("SPKDLoss"),\n'
        '             lambda: ickd_mm.VIDRegressor(2, 3)):\n'
        '    try: print(make().key)\n'
        '    except ImportError as error: print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    loss, regressor = done.stdout.splitlines()
    if missing == 'torchdistill':
        assert "pip install 'ickd-mm[torchdistill]'" in loss
        assert "pip install 'ickd-mm[torchdistill]'" in regressor
    else:
        assert loss == 'SPKDLoss'
        assert 'VIDRegressor needs torchvision, which' in regressor
