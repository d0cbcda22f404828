"""Several processes of one run, as torchrun starts them; and a port for them to meet at."""

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from support.forking import Forked


def free_port():
    """Return a port that nobody listens at."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


def run_ranks(tool, *args, world=2):
    """Run one of the repository's tools in forked processes that find each other by gloo.

    Args:
        tool: file name of the tool.
        args: its arguments, but for the launcher.
        world: number of processes.

    Returns:
        What rank 0 printed.
    """
    where = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port()), WORLD_SIZE=str(world))
    with TemporaryDirectory() as folder:
        ranks = []
        for rank in range(world):
            env = dict(where, RANK=str(rank), LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(world))
            output = Path(folder, f'{rank}.txt')
            ranks.append(Forked(tool, *args, '--launcher', 'pytorch', output=output, env=env))
        try:
            done = [rank.wait() for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()
    for one in done:
        assert one.returncode == 0, one.stderr[-3000:]
    return done[0].stdout
