"""Measure the loss, a training step, or the hours of a whole training."""

import argparse
import importlib

COMMANDS = {
    'loss': 'the ICC loss against its naive form: time and memory',
    'estimate': 'hours of a whole training on GPUs, estimated from the time of a step',
    'step': 'a training step of a config with and without distillation',
}


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    subparsers = parser.add_subparsers(required=True)
    for name, about in COMMANDS.items():
        module = importlib.import_module(f'ickd_mm.commands.benchmark.{name}')
        subparser = subparsers.add_parser(name, help=about, description=about)
        subparser.set_defaults(run=module.run)
        module.add_arguments(subparser)
    args = parser.parse_args()
    args.run(args)
