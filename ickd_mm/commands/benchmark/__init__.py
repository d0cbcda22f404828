"""Measurements behind ``tools/benchmark.py``.

One module is one subcommand of the same name, with ``add_arguments(parser)`` and ``run(args)``;
the others hold what they share.
"""
