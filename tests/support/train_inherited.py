"""Train heirs of the installed package's configs in forked processes.

A process of its own, started in an empty folder: ``train_inherited.py DATA N NAME…``. The first N
are trained with their library's own tool as well. A run's
files and what it prints are in ``<tool>-<number of the name>``; ``codes.json`` has exit codes.
The process imports the libraries once, for all runs.
"""

import importlib
import json
import os
import runpy
import sys
import traceback
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

FOREIGN = "_base_ = __import__('ickd_mm') and 'ickd_mm::{}'\n"  # in tools that do not import it
LIBRARIES = ('mmpretrain.apis', 'mmseg.apis', 'pandas', 'pylab', 'torch._dynamo', 'torchvision')
LIBRARIES += ('mmdet.apis',) if find_spec('mmdet') else ()
R18 = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
SMALLER = {R18.replace('r18', 'r101'): R18}  # tests/test_configs/test_walk.py builds the large one
SIZES = ('crop_size', 'img_scale', 'scale', 'size')
FEW = dict(batch_size=2, num_workers=0, persistent_workers=False)


def options(cfg, data):
    """Command-line values that point a config at made-up files and make the run short."""
    from walk_inherited import LOADERS, small, validates

    keys = LOADERS if validates(cfg) else ['train_dataloader']
    loaders = {key: small(cfg[key], data) for key in keys}
    if not validates(cfg):
        yield from ('val_dataloader=None', 'val_evaluator=None', 'val_cfg=None')
    yield from (f'{loader}.{key}={value}' for loader in loaders for key, value in FEW.items())
    yield from ('default_hooks.logger.interval=1', 'model.teacher_ckpt=teacher.pth')
    iterations = 'max_iters' in cfg.train_cfg
    few = dict(max_iters=2, val_interval=2) if iterations else dict(max_epochs=1)
    yield from (f'train_cfg.{key}={value}' for key, value in few.items())
    yield from changed(loaders)
    if 'decode_head' in cfg.model.student:
        yield 'model.student.data_preprocessor.size=(64,64)'
        yield 'model.student.pretrained=None'
    if cfg.default_scope == 'mmdet':
        yield f'model.teacher={cfg.model.teacher}'
        yield from ('model.student.backbone.init_cfg=None', 'model.pairs.loss_icc.loss.grid=1')


def changed(node, path=''):
    """Values of data sets, by their keys; crops of scenes are made small."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        where = f'{path}.{key}'.strip('.')
        if key == 'data_root':
            yield f'{where}={value}'
        elif key in SIZES and isinstance(value, (tuple, list)):
            yield f'{where}=(64,64)'
        elif isinstance(value, (dict, list, tuple)):
            yield from changed(value, where)


def start(tool, words, folder):
    """Execute a tool's file in a forked process; return its id."""
    child = os.fork()
    if child:
        return child
    from quick import restore_threads

    code = 1
    try:
        restore_threads()
        with open(folder / 'output.txt', 'w') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        sys.argv = [str(tool), *words]
        runpy.run_path(str(tool), run_name='__main__')
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    """Train everything."""
    data, foreign, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    heirs = dict(ours="_base_ = 'ickd_mm::{}'\n", foreign=FOREIGN)
    for number, name in enumerate(names):
        for kind, text in heirs.items():
            Path(f'{kind}{number}.py').write_text(text.format(name))
    assert 'ickd_mm' not in sys.modules
    cfgs = [Config.fromfile(f'foreign{number}.py') for number in range(len(names))]

    import torch
    from walk_inherited import take_short_cuts

    for library in LIBRARIES:
        importlib.import_module(library)
    from ickd_mm.features.dry_run import dry_run
    from ickd_mm.preflight.model_source import ModelSource

    take_short_cuts()
    codes = {}
    for number, cfg in enumerate(cfgs):
        cfg.model.teacher = SMALLER.get(cfg.model.teacher, cfg.model.teacher)
        teacher = ModelSource.read(cfg.model.teacher, 'teacher').build('teacher')
        torch.save(dict(state_dict=teacher.state_dict()), 'teacher.pth')
        dry_run(teacher, (64, 64), nullcontext())  # a first time takes long, and is remembered
        values, children = list(options(cfg, data)), {}
        tools = dict(ours='ickd_mm', foreign=cfg.default_scope)
        for kind, package in list(tools.items())[: 2 if number < foreign else 1]:
            folder = Path(f'{kind}-{number}')
            folder.mkdir()
            tool = Path(find_spec(package).origin).parent / '.mim/tools/train.py'
            words = [f'{kind}{number}.py', '--work-dir', str(folder), '--cfg-options', *values]
            children[folder.name] = start(tool, words, folder)
        for name, child in children.items():
            codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    Path('codes.json').write_text(json.dumps(codes))


if __name__ == '__main__':
    main()
