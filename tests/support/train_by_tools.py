"""Train configs that inherit an installed package's, in forked processes.

A process of its own, started in an empty folder: ``train_by_tools.py DATA ROWS``. A row of the JSON
list is a config's ``base``, further ``text`` and the ``tools`` that train it: 'ours' and 'foreign',
the library's own. The files of a run and what it prints are in ``<tool>-<number of the row>``;
``codes.json`` has exit codes. What both tools train leaves its predictions in ``predictions.pth``:
those of its own validation, or where it has none those of its checkpoint, made here.
The process imports the libraries once, for all runs.
"""

import gc
import importlib
import json
import os
import sys
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path

from executing import run_file_and_exit
from mmengine.config import Config

FOREIGN = "_base_ = __import__('ickd_mm') and {!r}\n"  # in tools that do not import it
CONFIGS = dict(ours='_base_ = {!r}\n', foreign=FOREIGN)
DUMP = "val_evaluator = [_base_.val_evaluator, dict(type='DumpResults', out_file_path='')]\n"
LIBRARIES = [name for name in ('mmpretrain', 'mmseg', 'mmdet') if find_spec(name)]
MODULES = ('commands.training', 'connectors', 'distillers', 'hooks', 'losses')
OTHERS = ('matplotlib.backends.backend_agg', 'pandas', 'pylab', 'torch._dynamo', 'torchvision')
R18 = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
SMALLER = {R18.replace('r18', 'r101'): R18}  # tests/test_configs/test_walk.py builds the large one
SIZES = ('crop_size', 'img_scale', 'scale', 'size')
FEW = dict(batch_size=2, num_workers=0, persistent_workers=False)


def options(cfg, data):
    """Command-line values that point a config at made-up files and make the run short."""
    from walk_inherited import LOADERS, small, validates

    with_validation = validates(cfg.model.student)
    loaders = LOADERS if with_validation else ['train_dataloader']
    evaluator = ['val_evaluator'] if with_validation else []
    if not with_validation:
        yield from ('val_dataloader=None', 'val_evaluator=None', 'val_cfg=None')
    yield from (f'{loader}.{key}={value}' for loader in loaders for key, value in FEW.items())
    yield from ('default_hooks.logger.interval=1', 'model.teacher_ckpt=teacher.pth')
    iterations = 'max_iters' in cfg.train_cfg
    few = dict(max_iters=2, val_interval=2) if iterations else dict(max_epochs=1)
    yield from (f'train_cfg.{key}={value}' for key, value in few.items())
    yield from changed({key: small(cfg[key], data) for key in (*loaders, *evaluator)}, str(data))
    if 'decode_head' in cfg.model.student:
        yield 'model.student.data_preprocessor.size=(64,64)'
        yield 'model.student.pretrained=None'
    if cfg.default_scope == 'mmdet':
        yield from ('model.student.backbone.init_cfg=None', 'model.pairs.loss_icc.loss.grid=1')
    if isinstance(cfg.model.teacher, str):
        yield f'model.teacher={cfg.model.teacher}'


def changed(node, data, path=''):
    """Values that name made-up data, by their keys; crops of scenes are made small."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        where = f'{path}.{key}'.strip('.')
        if isinstance(value, str) and value.startswith(data):
            yield f'{where}={value}'
        elif key in SIZES and isinstance(value, (tuple, list)):
            yield f'{where}=(64,64)'
        elif isinstance(value, (dict, list, tuple)):
            yield from changed(value, data, where)


def start(tool, words, folder):
    """Execute a tool's file in a forked process; return its id."""

    def prepare():
        with open(folder / 'output.txt', 'w') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)

    return os.fork() or run_file_and_exit([str(tool), *words], prepare)


def save_teacher(cfg):
    """Write random weights for a config's teacher."""
    import torch
    from mmengine.registry import DefaultScope

    from ickd_mm.features.dry_run import dry_run
    from ickd_mm.preflight.model_source import read_student, read_teacher

    cfg.model.teacher = SMALLER.get(str(cfg.model.teacher), cfg.model.teacher)
    scope = cfg.default_scope
    with DefaultScope.overwrite_default_scope(scope):
        student = read_student(cfg.model, cfg.get('data_preprocessor'))
        teacher = read_teacher(cfg.model, student, scope).build('teacher')
        torch.save(dict(state_dict=teacher.state_dict()), 'teacher.pth')
        # A first time takes long, and is remembered.
        size = (cfg.model.get('input_size') or 64,) * 2
        dry_run(teacher, size, nullcontext())
        with suppress(RuntimeError):  # one that cannot run as it is, with synchronised batch norms
            dry_run(student.build('student'), size, nullcontext(), trains=True)


def save_predictions(folder):
    """Write a run's predictions for whom they are to be compared with."""
    import torch
    from mmengine.fileio import load
    from predicting import comparable, predict

    dumped = folder / 'predictions.pkl'
    if dumped.exists():
        found = [comparable(sample) for sample in load(dumped)]
    else:
        found = predict(next(folder.glob('*_*.pth')))
    torch.save(found, folder / 'predictions.pth')


def train(number, cfg, tools, data):
    """Train one row; return the exit codes by the names of the folders."""
    save_teacher(cfg)
    values, children = list(options(cfg, data)), {}
    packages = dict(ours='ickd_mm', foreign=cfg.default_scope)
    for kind in tools:
        folder = Path(f'{kind}-{number}')
        folder.mkdir()
        tool = Path(find_spec(packages[kind]).origin).parent / '.mim/tools/train.py'
        words = [f'{kind}{number}.py', '--work-dir', str(folder), '--cfg-options', *values]
        if 'val_evaluator=None' not in values and 'foreign' in tools:
            words.append(f'val_evaluator.1.out_file_path={folder}/predictions.pkl')
        children[folder.name] = start(tool, words, folder)
    codes = {}
    for name, child in children.items():
        codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if codes[name] == 0 and 'foreign' in tools:
            save_predictions(Path(name))
    return codes


def name_all_classes(folder):
    """List all of COCO's classes in made-up annotations: a detector may predict any of them."""
    from mmdet.datasets import CocoDataset

    names = enumerate(CocoDataset.METAINFO['classes'], 1)
    kinds = [dict(id=number, name=name) for number, name in names]
    for file in folder.glob('annotations/*.json'):
        file.write_text(json.dumps(dict(json.loads(file.read_text()), categories=kinds)))


def main():
    """Train everything."""
    data, rows = Path(sys.argv[1]), json.loads(sys.argv[2])
    for number, row in enumerate(rows):
        text = row['text'] + DUMP if 'foreign' in row['tools'] else row['text']
        for kind, config in CONFIGS.items():
            Path(f'{kind}{number}.py').write_text(config.format(row['base']) + text)
    assert 'ickd_mm' not in sys.modules
    cfgs = [Config.fromfile(f'foreign{number}.py') for number in range(len(rows))]

    from walk_inherited import take_short_cuts

    for name in (*(f'ickd_mm.{module}' for module in MODULES), *OTHERS):
        importlib.import_module(name)
    for library in LIBRARIES:
        importlib.import_module(f'{library}.apis')
        importlib.import_module(f'{library}.utils').register_all_modules(False)
    take_short_cuts()
    if 'mmdet' in LIBRARIES:
        name_all_classes(data / 'coco')
    gc.freeze()  # what is there now is not copied page by page when a child collects garbage
    codes = {}
    for number, (cfg, row) in enumerate(zip(cfgs, rows)):
        codes.update(train(number, cfg, row['tools'], data))
    Path('codes.json').write_text(json.dumps(codes))


if __name__ == '__main__':
    main()
