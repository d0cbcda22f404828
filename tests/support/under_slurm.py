"""SLURM on one machine: a job of two tasks is requeued, cancelled and requeued, and resumes.

Run by hand as root, in the repository's root, with an environment's Python: ``python
tests/support/under_slurm.py [FOLDER]``. Needs Debian's munge, slurmctld, slurmd and slurm-client
(``apt-get install --no-install-recommends ...``), starts them with a configuration of its own and
ends them; the two GPUs that the configuration claims are not there, so the tasks run on gloo.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

REPO = Path(__file__).resolve().parents[2]
LAST = 30
CONF = """
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
GresTypes=gpu
NodeName={host} CPUs={cpus} Gres=gpu:2
PartitionName=all Nodes={host} Default=YES State=UP
"""
JOB = """#!/usr/bin/env bash
#SBATCH --job-name=distil --partition=all --requeue --open-mode=append
#SBATCH --ntasks=2 --gres=gpu:2 --output={folder}/job.txt
export GPUS=2 CPUS_PER_TASK=1 OMP_NUM_THREADS=1 MASTER_PORT={port}
tools/slurm_train.sh all distil configs/ickd/pspnet_digits.py --work-dir {folder}/run --resume \\
    --data-root {folder}/digits --cfg-options train_cfg.max_iters={last} \\
    train_cfg.val_interval={last} default_hooks.checkpoint.interval=5 \\
    train_dataloader.batch_size=2 default_hooks.logger.interval=5
"""


class Cluster:
    """munged, slurmctld and slurmd in the foreground, with their files in one folder."""

    def __init__(self, folder):
        self.folder, self.daemons = folder, []
        host = socket.gethostname().split('.')[0]
        for name in ('munge', 'ctld', 'slurmd'):
            (folder / name).mkdir()
        conf = CONF.format(host=host, folder=folder, cpus=os.cpu_count())
        (folder / 'slurm.conf').write_text(conf)
        devices = '/dev/null,/dev/zero'  # slurmd wants that each is there
        (folder / 'gres.conf').write_text(f'Name=gpu File={devices}\n')
        os.environ['SLURM_CONF'] = str(folder / 'slurm.conf')
        key = folder / 'munge/key'
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        inside = [f'--{part}={folder}/munge/{part}' for part in ('socket', 'pid-file', 'log-file')]
        inside += [f'--seed-file={folder}/munge/seed', f'--key-file={key}', '--force']
        self.start('munged', '--foreground', *inside)
        self.start('slurmctld', '-D')
        self.start('slurmd', '-D', '-N', host)

    def start(self, *command):
        log = (self.folder / f'{command[0]}.out').open('wb')
        self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
        time.sleep(1)
        assert self.daemons[-1].poll() is None, (self.folder / f'{command[0]}.out').read_text()

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def state(job):
    return re.search(r'JobState=(\w+)', said('scontrol', 'show', 'job', job))[1]


def wait_for(what, job, limit=400):
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, f'job {job} is {state(job)} after {limit} s'
        time.sleep(0.5)


def is_in(job, wanted):
    """Whether the job is in a state; an error if it has failed."""
    now = state(job)
    assert now != 'FAILED', f'job {job} has failed'
    return now == wanted


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else mkdtemp(prefix='slurm-')).resolve()
    missing = [name for name in ('munged', 'slurmctld', 'slurmd', 'srun') if not shutil.which(name)]
    assert not missing, f'not installed: {missing}'
    os.environ['PATH'] = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    os.environ['PYTHONPATH'] = str(REPO)
    make = [sys.executable, REPO / 'tools/prepare_digits.py', '--root', folder / 'digits']
    subprocess.run([*make, '--train', '24', '--val', '6'], check=True, cwd=REPO)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    (folder / 'job.sh').write_text(JOB.format(folder=folder, port=port, last=LAST))
    run, log = folder / 'run', folder / 'job.txt'
    cluster = Cluster(folder)
    try:
        os.chdir(REPO)
        assert 'State=IDLE' in said('scontrol', 'show', 'node'), said('scontrol', 'show', 'node')
        job = re.search(r'\d+', said('sbatch', str(folder / 'job.sh')))[0]
        wait_for((run / 'iter_5.pth').is_file, job)
        said('scontrol', 'requeue', job)
        print(f'job {job}: two tasks trained; scontrol requeue: {state(job)}')
        wait_for((run / 'iter_15.pth').is_file, job)
        said('scancel', job)
        wait_for(lambda: is_in(job, 'CANCELLED'), job)
        said('scontrol', 'requeue', job)
        print(f'job {job}: scancel, then scontrol requeue: {state(job)}')
        wait_for(lambda: is_in(job, 'COMPLETED'), job)
    except BaseException:
        print(log.read_text()[-3000:] if log.is_file() else 'no log')
        raise
    finally:
        cluster.stop()
    text = log.read_text()
    begun = re.findall(r'Resumes from .*iter_(\d+)\.pth', text)
    assert len(begun) == 2, begun
    assert (run / f'iter_{LAST}.pth').is_file()
    logs = len(list(run.glob('*/*.log')))
    assert logs == 3, f'{logs} logs of 3 starts: more than rank 0 writes'
    print(f'job {job}: resumed from {" and ".join(begun)}, COMPLETED at {LAST}, one log a start')


if __name__ == '__main__':
    main()
