"""Files that would run a command, given to every tool that reads weights: refused, never run."""

import builtins
import io
import os
import pickle
import re
import runpy
import subprocess
import tarfile
import time

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from support.forking import Forked
from support.repository import ICKD, STUDENT
from support.tools import load, succeed

pytestmark = pytest.mark.slow


class Call:
    """Calls a function when a careless reader unpickles it."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def as_tar(content, file):
    """torch.load's oldest format."""
    with tarfile.open(file, 'w', format=tarfile.PAX_FORMAT) as archive:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            data = pickle.dumps(content if name in ('pickle', 'storages') else {}, protocol=2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def as_legacy(content, file):
    torch.save(content, file, _use_new_zipfile_serialization=False)


class Net(torch.nn.Module):
    def __init__(self, marker):
        super().__init__()
        self.marker = marker

    def __setstate__(self, state):
        open(state['marker'], 'w').close()


def buried(attack, whole):
    """The attack deep inside a right checkpoint of a run."""
    content = load(whole)
    content['message_hub']['runtime_info']['epoch'] = attack
    return content


def history(attack):
    """Hidden in an object of a class that is allowed."""
    buffer = HistoryBuffer([1.0], [1])
    buffer._statistics_methods = attack
    return buffer


def attacks(marker, whole):
    touch = f'touch {marker}'
    opened = f'open({str(marker)!r}, "w")'
    system = Call(os.system, touch)
    inner = io.BytesIO()
    torch.save(system, inner)
    return {
        'os.system': (system, torch.save),
        'os.system, legacy file': (system, as_legacy),
        'os.system, tar file': (system, as_tar),
        'os.system, bare pickle': (system, lambda c, f: f.write_bytes(pickle.dumps(c))),
        'exec': (Call(builtins.exec, opened), torch.save),
        'code for runpy': (Call(runpy._run_code, opened, {}), torch.save),
        'getattr of an allowed class': (Call(getattr, HistoryBuffer, '__init__'), torch.save),
        'a process': (Call(subprocess.Popen, ['touch', str(marker)]), torch.save),
        'a reader inside the reader': (
            Call(torch.storage._load_from_bytes, inner.getvalue()),
            torch.save,
        ),
        'numpy objects': (np.array([system], dtype=object), torch.save),
        'a module': (dict(state_dict=Net(str(marker))), torch.save),
        'a log history': (dict(state_dict={}, message_hub=history(system)), torch.save),
        'buried in a right checkpoint': (buried(system, whole), torch.save),
        'a key of the weights': (dict(state_dict={'w': torch.ones(1), 'x': system}), torch.save),
    }


NAMES = (
    'os.system',
    'os.system, legacy file',
    'os.system, tar file',
    'os.system, bare pickle',
    'exec',
    'code for runpy',
    'getattr of an allowed class',
    'a process',
    'a reader inside the reader',
    'numpy objects',
    'a module',
    'a log history',
    'buried in a right checkpoint',
    'a key of the weights',
)
HARD = ('os.system, tar file', 'buried in a right checkpoint')


@pytest.fixture
def attack(distilled, tmp_path):
    """Write an attack; afterwards check that its command did not run."""
    _, folder = distilled
    marker = tmp_path / 'ran'

    def write(name):
        content, save = attacks(marker, folder / 'iter_6.pth')[name]
        save(content, tmp_path / 'iter_9.pth')
        return tmp_path / 'iter_9.pth'

    yield write
    assert not marker.exists(), 'the command ran'


def refuses(tool, *args, output):
    done = Forked(tool, *args, output=output).wait()
    assert done.returncode != 0, done.stdout[-2000:]
    last = done.stderr.splitlines()[-1]
    assert re.search(r'iter_9\.pth.*(is refused|is not a whole checkpoint)', last), last
    return done


def test_all_attacks_have_names(distilled, tmp_path):
    assert tuple(attacks(tmp_path / 'x', distilled[1] / 'iter_6.pth')) == NAMES


@pytest.mark.parametrize('name', NAMES)
def test_a_careless_reader_would_run_it(attack, tmp_path, name):
    """The attacks are real: unpickling runs each of those that do something by themselves."""
    if name in ('getattr of an allowed class', 'os.system, tar file'):
        pytest.skip('does nothing by itself, or torch alone knows the format')
    file = attack(name)
    try:
        if name == 'os.system, bare pickle':
            pickle.loads(file.read_bytes())
        else:
            torch.load(file, weights_only=False)
    except TypeError:
        pass  # the command has run; what it gave back fits nowhere
    for _ in range(100):  # a process of its own may take a moment
        if (tmp_path / 'ran').exists():
            break
        time.sleep(0.05)
    (tmp_path / 'ran').unlink()


@pytest.mark.parametrize('name', NAMES)
def test_export_and_resume(attack, distilled, tmp_path, name):
    options, _ = distilled
    file = attack(name)
    refuses('export_student.py', file, tmp_path / 'out.pth', output=tmp_path / 'a.txt')
    tail = ('--work-dir', tmp_path / 'run', '--cfg-options', *options)
    refuses('train.py', ICKD, '--resume', file, *tail, output=tmp_path / 'b.txt')


@pytest.mark.parametrize('name', HARD)
def test_teacher_load_from_and_test(attack, distilled, tmp_path, name):
    options, _ = distilled
    file = attack(name)
    data = [o for o in options if not o.startswith('model')]
    tail = ('--work-dir', tmp_path / 'run', '--cfg-options')
    teacher = (*tail, *options, f'model.teacher_ckpt={file}')
    refuses('train.py', ICKD, *teacher, output=tmp_path / 'a.txt')
    refuses('train.py', STUDENT, *tail, *data, f'load_from={file}', output=tmp_path / 'b.txt')
    refuses('test.py', STUDENT, file, *tail, *data, output=tmp_path / 'c.txt')
    refuses('test.py', ICKD, '--teacher', *teacher, output=tmp_path / 'd.txt')


def test_resuming_the_newest_passes_an_attack_over(attack, distilled, tmp_path):
    options, folder = distilled
    attack('buried in a right checkpoint')
    torch.save(load(folder / 'iter_3.pth'), tmp_path / 'iter_3.pth')
    steps = 'train_cfg.max_iters=4'
    args = (ICKD, '--work-dir', tmp_path, '--resume', '--cfg-options', *options, steps)
    done = succeed(Forked('train.py', *args, output=tmp_path / 'a.txt').wait())
    assert 'Skips iter_9.pth' in done.stdout
    assert 'is refused' in done.stdout
    assert f'Resumes from {tmp_path / "iter_3.pth"}' in done.stdout


def test_text_that_mmengine_would_run_when_resuming(distilled, tmp_path):
    """``meta['config']`` is a string, and mmengine's ``resume`` executes it as a config file."""
    options, folder = distilled
    content = load(folder / 'iter_3.pth')
    content['meta']['config'] = f'open({str(tmp_path / "ran")!r}, "w")'
    torch.save(content, tmp_path / 'iter_3.pth')
    steps = 'train_cfg.max_iters=4'
    args = (ICKD, '--work-dir', tmp_path, '--resume', '--cfg-options', *options, steps)
    succeed(Forked('train.py', *args, output=tmp_path / 'a.txt').wait())
    assert (tmp_path / 'iter_4.pth').is_file()
    assert not (tmp_path / 'ran').exists()
