"""Measure the loss, a training step, or the hours of a whole training."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

COMMANDS = {
    'loss': 'the ICC loss against its naive form: time and memory',
    'estimate': 'hours of a whole training on GPUs, estimated from the arithmetic of a step',
    'step': 'a training step of a config with and without distillation',
}


def main() -> None:
    """Parse the command line and run the subcommand."""
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(dest='command', required=True)
    modules = {}
    for name, about in COMMANDS.items():
        if importlib.util.find_spec(f'ickd_mm.commands.benchmark.{name}') is None:
            continue
        modules[name] = importlib.import_module(f'ickd_mm.commands.benchmark.{name}')
        modules[name].add_arguments(subparsers.add_parser(name, help=about, description=about))
    args = parser.parse_args()
    modules[args.command].run(args)


if __name__ == '__main__':
    main()
