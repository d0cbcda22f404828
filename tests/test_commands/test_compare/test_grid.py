"""Laying runs out: names, folders, and the digest of what a result depends on."""

from pathlib import Path

import pytest

from ickd_mm.commands.compare.grid import lay_out, name_of, parse_variation

DISTILLER = """
model = dict(type='ickd_mm.FeatureDistiller', student=dict(type='A'), teacher={teacher!r},
             teacher_ckpt={weights!r})
val_cfg = dict()
"""


@pytest.fixture
def configs(tmp_path):
    files = [tmp_path / 'alone.py', tmp_path / 'taught.py']
    for file in files:
        file.write_text('lr = 0.1\nval_cfg = dict()\n')
    return [str(file) for file in files]


def folder(config, *variations):
    runs = lay_out([str(config)], [0], [parse_variation(text) for text in variations], Path())
    return runs[0].folder.name


def test_every_combination_whole_seeds_first_each_against_the_same_values(configs, tmp_path):
    runs = lay_out(configs, [3, 1], [parse_variation('lr=1,2')], tmp_path)
    names = ['alone lr=1', 'alone lr=2', 'taught lr=1', 'taught lr=2']
    assert [(run.about['name'], run.about['seed']) for run in runs] == [
        *((name, 3) for name in names),
        *((name, 1) for name in names),
    ]
    assert [run.about['reference'] for run in runs[:4]] == 2 * ['alone lr=1', 'alone lr=2']
    assert [run.cfg.randomness.seed for run in runs[3:5]] == [3, 1]
    assert runs[1].cfg.lr == 2
    one_config = lay_out(configs[:1], [0], [parse_variation('lr=1,2')], tmp_path)
    assert [run.about['reference'] for run in one_config] == 2 * ['alone lr=1']
    both = [parse_variation('lr,val_cfg.n=1:2,3:4'), parse_variation('val_cfg.m=5')]
    (first, _) = lay_out(configs[:1], [0], both, tmp_path)
    assert (first.about['line'], first.about['value']) == ('alone m=5', '1')
    assert first.about['varied'] == 'lr,val_cfg.n,val_cfg.m=1:2:5'


def test_names_and_folders(configs):
    assert name_of('a', (('x.loss.w', '1'), ('lr', '2'))) == 'a w=1 lr=2'
    assert name_of('a', (('x.w', '1'), ('y.w', '2'))) == 'a x.w=1 y.w=2'
    start, seed, digest = folder(configs[0], 'lr=mmseg::a/b.py').rsplit('__', 2)
    assert (start, seed, len(digest)) == ('alone__lr=mmseg__a_b.py', 'seed=0', 8)
    one, two = (folder(configs[0], f'lr={"x" * 300}{end}') for end in 'ab')
    assert len(one) == len(two) < 130
    assert one != two


def test_what_changes_a_result_is_another_run_and_nothing_else(tmp_path):
    config, weights, teacher = tmp_path / 'taught.py', tmp_path / 't.pth', tmp_path / 'teacher.py'

    def change(file, text):
        before = folder(config) if config.exists() else ''
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return before != folder(config)

    weights.write_bytes(b'one')
    (tmp_path / 'base.py').write_text('depth = 1\n')
    teacher.write_text("_base_ = 'base.py'\nmodel = dict(type='B')\n")
    text = DISTILLER.format(teacher=str(teacher), weights=str(weights))
    assert change(config, text)
    assert not change(config, f'# a comment\n{text}work_dir = "elsewhere"\n')
    spelled = text.replace('t.pth', '../' + tmp_path.name + '/t.pth')
    assert not change(config, spelled + 'randomness = dict(seed=7)\n')
    assert change(config, text + 'randomness = dict(deterministic=True)\n')
    assert change(weights, 'two')
    assert change(tmp_path / 'base.py', 'depth = 2\n')
    assert change(config, text.replace(str(weights), 'https://a.b/c.pth'))
    keys = "classes = {None: 2, 'b': 1, 0: 'a'}\n"  # of several types, in any order
    assert change(config, text + keys)
    assert not change(config, text + "classes = {0: 'a', 'b': 1, None: 2}\n")
    assert change(config, text + keys.replace('0:', "'0':"))


def test_wrong_layouts(configs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.py'):
        lay_out(['none.py'], [0], [], tmp_path)
    for names, seeds in ((configs[:1] * 2, [0]), (configs, [0, 0])):
        with pytest.raises(ValueError, match='must not repeat'):
            lay_out(names, seeds, [], tmp_path)
    for values in ('2,2', 'True,true', '0.1,0.10'):
        with pytest.raises(ValueError, match=r'alone lr=.* and alone lr=.* are the same run'):
            lay_out(configs[:1], [0], [parse_variation(f'lr={values}')], tmp_path)
    for text in ('lr.x=1', 'rl=1', 'lr=(1,2'):
        with pytest.raises(ValueError, match=rf'--vary {text[:3]}'):
            lay_out(configs[:1], [0], [parse_variation(text)], tmp_path)
    (tmp_path / 'none.py').write_text('lr = 1')
    with pytest.raises(ValueError, match=r'none\.py has no val_cfg: without validation'):
        lay_out([str(tmp_path / 'none.py')], [0], [], tmp_path)


@pytest.mark.parametrize('text', ['lr', '=1', 'lr=', 'lr=,', 'a,b=1', 'a,b=1:2,3', 'a,b=(1:2)'])
def test_a_wrong_variation(text):
    with pytest.raises(ValueError, match='--vary takes'):
        parse_variation(text)


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ('grid=2,(2,4)', ['2', '(2,4)']),
        ('teacher=mmseg::a.py,C:/b.py', ['mmseg::a.py', 'C:/b.py']),
        ('points=[(0,1),(0.5,0)],[]', ['[(0,1),(0.5,0)]', '[]']),
        ("loss=dict(a=1,b='x,y'),'p,q'", ["dict(a=1,b='x,y')", "'p,q'"]),
        ('lr=(1,2', ['(1,2']),
    ],
)
def test_values_keep_what_stands_in_brackets_and_quotes(text, values):
    assert [value for ((_, value),) in parse_variation(text)] == values


def test_several_keys_change_together():
    assert parse_variation('a,b=1:(2,3),{4:5}:6') == [
        (('a', '1'), ('b', '(2,3)')),
        (('a', '{4:5}'), ('b', '6')),
    ]
