"""How the ICC loss behaves as a citizen of PyTorch: cells, inputs, dtypes, autograd, compile."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ickd_mm.commands.benchmark.memory import peak_extra_bytes
from ickd_mm.functional import icc, icc_loss, inter_channel_correlation
from ickd_mm.functional.cells import paired_blocks

S, T = (2, 40, 6, 5), (2, 40, 9, 7)


def pair(student=S, teacher=T, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(student).to(dtype).requires_grad_(), torch.randn(teacher).to(dtype)


def grad_of(student, teacher, *settings):
    loss = icc_loss(student, teacher, *settings)
    return loss, torch.autograd.grad(loss, student)[0]


@settings(deadline=None, max_examples=60)
@given(data=st.data(), limit=st.integers(1, 3000))
def test_blocks_hold_the_cells_of_tensor_split_once(data, limit):
    side = st.integers(1, 12)
    images, *sides = data.draw(st.integers(1, 3)), *(data.draw(side) for _ in range(4))
    grid = tuple(data.draw(st.integers(1, min(sides[i], sides[i + 2]))) for i in (0, 1))
    maps = [torch.randn(images, 3, *sides[i : i + 2]) for i in (0, 2)]
    wanted = [
        sorted(
            tuple(cell[i].flatten().tolist())
            for band in torch.tensor_split(x, grid[0], 2)
            for cell in torch.tensor_split(band, grid[1], 3)
            for i in range(images)
        )
        for x in maps
    ]
    found, copies = [[], []], [torch.zeros_like(x) for x in maps]
    for blocks in paired_blocks(*maps, grid, limit):
        cells = [block.cut(x) for block, x in zip(blocks, maps)]
        assert len(cells[0]) == len(cells[1])
        for side, part in enumerate(cells):
            rows = len(part) * part[0].numel()
            assert rows <= max(limit, 3 * blocks[side].rows.size * sides[2 * side + 1])
            found[side] += [tuple(cell.mT.flatten().tolist()) for cell in part]
            blocks[side].paste(part, copies[side])
    assert [sorted(cells) for cells in found] == wanted
    assert all(torch.equal(*both) for both in zip(copies, maps))


def test_the_cross_form_needs_maps_of_one_size():
    with pytest.raises(ValueError, match=r'H and W must agree, .*\(1, 8, 5, 4\)'):
        icc_loss(torch.randn(1, 8, 4, 4), torch.randn(1, 8, 5, 4), cross=True)


@pytest.mark.parametrize(('normalize', 'center'), [(True, False), (True, True), (False, False)])
def test_blocks_do_not_change_the_result(monkeypatch, error, route, normalize, center):
    maps = pair((3, 40, 9, 8), (3, 40, 7, 8))
    whole = grad_of(*maps, (3, 2), normalize, center)
    monkeypatch.setattr(icc, 'BLOCK', {'cpu': 1, 'cuda': 1})
    parts = grad_of(*maps, (3, 2), normalize, center)
    assert error(parts[0], whole[0]) < 1e-6
    assert error(parts[1], whole[1]) < 1e-6


@pytest.mark.parametrize(('shape', 'grid'), [((4, 256, 32, 32), 16), ((16, 256, 16, 16), 1)])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_memory_is_two_gradients_and_some_blocks(shape, grid, layout):
    student = torch.randn(shape).to(memory_format=layout).requires_grad_()
    teacher = torch.randn(shape).to(memory_format=layout)
    peak = peak_extra_bytes(lambda: icc_loss(student, teacher, grid).backward())
    assert peak <= 4 * (2 * student.numel() + 10 * icc.BLOCK['cpu'])


@pytest.mark.parametrize(
    ('student', 'teacher'),
    [
        ((3, 40, 6, 5), T),
        ((2, 41, 6, 5), T),
        ((2, 40, 30), T),
        (S, (2, 40, 1, 9, 7)),
        ((0, 40, 6, 5), (0, 40, 9, 7)),
        ((2, 40, 6, 3), T),
        (S, (2, 40, 3, 7)),
    ],
)
def test_wrong_shapes_are_named(student, teacher):
    with pytest.raises(ValueError, match=r'must|finer') as raised:
        icc_loss(torch.zeros(student), torch.zeros(teacher), grid=(4, 5))
    assert str(tuple(student)) in str(raised.value)
    assert str(tuple(teacher)) in str(raised.value)


@pytest.mark.parametrize('wrong', [torch.int64, torch.bool, torch.complex64, list])
@pytest.mark.parametrize('side', ['student', 'teacher'])
def test_what_is_not_a_floating_point_tensor_is_refused(wrong, side):
    maps = {'student': torch.ones(S), 'teacher': torch.ones(T)}
    maps[side] = [maps[side]] if wrong is list else maps[side].to(wrong)
    with pytest.raises(TypeError, match=f'{side} must'):
        icc_loss(**maps)


@pytest.mark.parametrize('grid', [0, -1, (2, 0), 2.0, (1, 2, 3), (1,), '2', None, True, (1.0, 2)])
def test_wrong_grids_are_refused(grid):
    with pytest.raises((TypeError, ValueError), match='grid must be a positive integer'):
        icc_loss(torch.ones(S), torch.ones(T), grid=grid)


@pytest.mark.parametrize(('normalize', 'center'), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (4, 4)])
def test_the_loss_follows_from_the_matrices(grid, normalize, center, error):
    maps = pair()
    ours, theirs = (inter_channel_correlation(x, grid, normalize, center) for x in maps)
    assert ours.shape == (2, grid[0] * grid[1], 40, 40)
    mean = (ours - theirs).square().sum((2, 3)).mean() / (40 if normalize else 40 * 40)
    assert error(icc_loss(*maps, grid, normalize, center), mean) < 1e-6


def test_the_matrices_of_a_known_map():
    x = torch.tensor([[3.0, 4.0], [1.0, 1.0], [0.0, 0.0]]).view(1, 3, 1, 2)
    plain = inter_channel_correlation(x, 1, normalize=False)
    assert plain.tolist() == [[[[25, 7, 0], [7, 2, 0], [0, 0, 0]]]]
    unit = inter_channel_correlation(x)[0, 0]
    assert torch.allclose(unit[0], torch.tensor([25.0, 7.0, 0.0]) / (25**2 + 7**2) ** 0.5)
    assert not unit[2].any()
    centred = inter_channel_correlation(x, 1, normalize=False, center=True)
    assert centred.tolist() == [[[[0.5, 0, 0], [0, 0, 0], [0, 0, 0]]]]


LAYOUTS = {
    'channels_last': lambda x: x.to(memory_format=torch.channels_last),
    'sliced': lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
    'channels sliced': lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    'transposed': lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    'expanded': lambda x: x[:1].expand_as(x),
}


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('grid', [1, (3, 2)])
def test_memory_layout_does_not_matter(layout, grid, route, error):
    strided = [LAYOUTS[layout](x.detach()) for x in pair()]
    plain = [x.clone(memory_format=torch.contiguous_format) for x in strided]
    loss, grad = grad_of(strided[0].requires_grad_(), strided[1], grid)
    want, want_grad = grad_of(plain[0].requires_grad_(), plain[1], grid)
    assert error(loss, want) < 1e-6
    assert error(grad, want_grad) < 1e-5


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('normalize', [True, False])
def test_half_maps_are_computed_in_float32(dtype, normalize):
    student, teacher = pair(dtype=dtype)
    loss, grad = grad_of(student, teacher, 1, normalize)
    want, want_grad = grad_of(student.detach().float().requires_grad_(), teacher, 1, normalize)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, want)
    assert torch.equal(grad, want_grad.to(dtype))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_autocast_changes_nothing(dtype, route):
    maps = pair()
    want = grad_of(*maps), inter_channel_correlation(maps[1])
    with torch.autocast('cpu', dtype):
        got = grad_of(*maps), inter_channel_correlation(maps[1])
    assert torch.equal(got[0][0], want[0][0])
    assert torch.equal(got[0][1], want[0][1])
    assert torch.equal(got[1], want[1])


def test_large_half_maps_do_not_overflow(exact, error):
    student = torch.full((1, 20, 64, 128), 3.0, dtype=torch.float16)
    student[:, ::2, ::2] = -1
    teacher = student.flip(1)
    for normalize in (True, False):
        want, _ = exact(student, teacher, (1, 1), normalize)
        assert error(icc_loss(student, teacher, 1, normalize), want) < 1e-5


def test_loss_scale_reaches_half_gradients_before_rounding():
    student, teacher = pair((1, 64, 4, 4), (1, 64, 4, 4))
    half = (student.detach() * 1e4).half().requires_grad_()
    (icc_loss(half, teacher) * 2**16).backward()
    assert (half.grad != 0).float().mean() > 0.9


def test_the_loss_is_the_mean_over_the_images():
    student, teacher = pair((3, 40, 6, 5), (3, 40, 6, 5))
    alone = [icc_loss(student[i : i + 1], teacher[i : i + 1]) for i in range(3)]
    assert torch.allclose(torch.stack(alone).mean(), icc_loss(student, teacher), rtol=1e-6)


def test_no_gradient_for_the_teacher_and_none_without_need():
    student, teacher = pair()
    teacher.requires_grad_()
    icc_loss(student, teacher).backward()
    assert teacher.grad is None
    with torch.no_grad():
        assert not icc_loss(student, teacher).requires_grad
    assert not icc_loss(student.detach(), teacher).requires_grad


def test_backward_twice_over_a_kept_graph_and_inputs_left_alone():
    student, teacher = pair()
    before = student.detach().clone(), teacher.clone()
    loss = 3 * icc_loss(student, teacher, (2, 2), True, True)
    first = torch.autograd.grad(loss, student, retain_graph=True)[0].clone()
    assert torch.equal(first, torch.autograd.grad(loss, student)[0])
    assert torch.equal(student, before[0])
    assert torch.equal(teacher, before[1])


def test_a_second_derivative_is_refused_by_name():
    student, teacher = pair()
    with pytest.raises(RuntimeError, match='icc_loss has no second derivative'):
        torch.autograd.grad(icc_loss(student, teacher), student, create_graph=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('backend', 'grid', 'center'), [('aot_eager', (2, 2), False), ('inductor', 1, True)]
)
def test_compiles_into_one_graph(backend, grid, center, error):
    torch._dynamo.reset()

    def step(student, teacher):
        return 2 * icc_loss(student * 1.5, teacher, grid, True, center)

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for images, size in ((2, 6), (3, 8)):  # another size compiles anew
        student, teacher = pair((images, 40, size, 5), (images, 40, 9, size + 1))
        loss, want = compiled(student, teacher), step(student, teacher)
        assert error(loss, want) < 1e-6
        grads = [torch.autograd.grad(x, student)[0] for x in (loss, want)]
        assert error(*grads) < 1e-5


@pytest.mark.slow
def test_compiles_under_autocast_and_without_gradient(error):
    torch._dynamo.reset()
    compiled = torch.compile(icc_loss, fullgraph=True, backend='aot_eager')
    student, teacher = pair(dtype=torch.float16)
    with torch.autocast('cpu', torch.bfloat16):
        assert error(compiled(student, teacher), icc_loss(student, teacher)) < 1e-6
        assert error(compiled(student.detach(), teacher), icc_loss(student, teacher)) < 1e-6
