"""Two nodes on one machine: two torchrun agents train together, lose one of them, and resume.

Run by hand, in the repository's root, with an environment's Python: ``python
tests/support/two_nodes.py [FOLDER]``. Runs tools/dist_train.sh once for each node, as
docs/reliability.md documents it, and at the end torchrun's own rendezvous. Each node has one
process, on gloo.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

REPO = Path(__file__).resolve().parents[2]
CONFIG = REPO / 'configs/ickd/pspnet_digits.py'
LAST = 30


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return str(free.getsockname()[1])


def options(folder):
    """Arguments behind the config: small data, a checkpoint every five iterations."""
    values = ('train_cfg.val_interval=100000', 'default_hooks.checkpoint.interval=5')
    more = ('train_dataloader.batch_size=2', 'default_hooks.logger.interval=5')
    return ['--data-root', folder / 'digits', '--cfg-options', *values, *more]


class Nodes:
    """The agents of two nodes, each with its own log."""

    def __init__(self, folder, name, commands, env=({}, {})):
        self.logs = [folder / f'{name}-node{rank}.txt' for rank in range(2)]
        self.agents = [
            subprocess.Popen(
                list(map(str, command)),
                env={**os.environ, 'OMP_NUM_THREADS': '1', **more},
                stdout=log.open('wb'),
                stderr=subprocess.STDOUT,
                cwd=REPO,
            )
            for command, log, more in zip(commands, self.logs, env)
        ]

    def wait_for(self, file, limit=300):
        end = time.monotonic() + limit
        while not file.is_file():
            ended = [agent.poll() for agent in self.agents]
            assert ended == [None, None], f'ended with {ended}: {self.text()[-3000:]}'
            assert time.monotonic() < end, f'no {file} after {limit} s: {self.text()[-3000:]}'
            time.sleep(0.2)

    def end(self, limit):
        """Return both exit codes and the seconds until both agents had ended."""
        started = time.monotonic()
        codes = [agent.wait(limit) for agent in self.agents]
        return codes, time.monotonic() - started

    def text(self):
        return '\n'.join(log.read_text() for log in self.logs)


def by_script(folder, work_dirs, *more):
    """The two commands that docs/reliability.md has for two nodes, and their environments."""
    shared = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=free_port())
    env = [dict(shared, NODE_RANK=str(rank)) for rank in range(2)]
    rest = [*more, *options(folder)]
    script = ['bash', REPO / 'tools/dist_train.sh', CONFIG, 1]
    return [[*script, '--work-dir', work_dir, *rest] for work_dir in work_dirs], env


def by_rendezvous(folder, work_dir, *more):
    """The commands with torchrun's own rendezvous, the same on both nodes."""
    words = [sys.executable, '-m', 'torch.distributed.run', '--nnodes=2', '--nproc_per_node=1']
    words += ['--rdzv_backend=c10d', f'--rdzv_endpoint=127.0.0.1:{free_port()}', '--rdzv_id=run1']
    words += [REPO / 'tools/train.py', CONFIG, '--launcher', 'pytorch', '--work-dir', work_dir]
    return [[*words, *more, *options(folder)]] * 2


def left_over(mark):
    """Processes that still run with ``mark`` in their command line."""
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if mark in (entry / 'cmdline').read_text() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def lose(nodes, which, folder):
    """Kill one agent; both must have ended within a minute, and no process may be left."""
    nodes.agents[which].send_signal(signal.SIGKILL)
    codes, seconds = nodes.end(limit=120)
    while left := left_over(str(folder)):
        assert seconds < 60, f'still running: {left}'
        time.sleep(0.2)
        seconds += 0.2
    assert all(codes), codes
    print(f'agent {which} killed: both ended after {seconds:.0f} s with {codes}, none left')


def resumed(nodes):
    """The iteration that the log of rank 0, the only one that writes it, went on from."""
    return int(re.findall(r'Resumes from .*iter_(\d+)\.pth', nodes.text())[-1])


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else mkdtemp(prefix='two-nodes-')).resolve()
    os.environ['PATH'] = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    os.environ['PYTHONPATH'] = str(REPO)
    make = [sys.executable, REPO / 'tools/prepare_digits.py', '--root', folder / 'digits']
    subprocess.run([*make, '--train', '24', '--val', '6'], check=True, cwd=REPO)
    run, other = folder / 'run', folder / 'second-node'

    nodes = Nodes(folder, 'first', *by_script(folder, (run, other)))
    nodes.wait_for(run / 'iter_5.pth')
    lose(nodes, 1, folder)
    written = sorted(path.name for path in other.rglob('*') if path.is_file())
    assert not written, written
    print('the node of rank 1, given a folder of its own, wrote no file there')

    nodes = Nodes(folder, 'second', *by_script(folder, (run, run), '--resume'))
    nodes.wait_for(run / 'iter_15.pth')
    lose(nodes, 0, folder)
    begun = resumed(nodes)
    assert begun >= 5
    print(f'--resume: went on from iteration {begun}')

    more = by_rendezvous(folder, run, '--resume')
    more = [[*words, f'train_cfg.max_iters={LAST}'] for words in more]
    nodes = Nodes(folder, 'third', more)
    codes, _ = nodes.end(limit=600)
    assert codes == [0, 0], nodes.text()[-3000:]
    begun = resumed(nodes)
    assert begun >= 15
    assert (run / f'iter_{LAST}.pth').is_file()
    print(f'c10d rendezvous, --resume: from iteration {begun} to {LAST}, exit codes {codes}')


if __name__ == '__main__':
    main()
