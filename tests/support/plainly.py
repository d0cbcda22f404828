"""Run a library without this package, as whoever is given a student does."""

import os
import subprocess
import sys

# mmcv-lite has no mmcv.ops, which mmseg and mmdet import unguarded; whoever runs them plainly has
# closed that gap (here: by an empty stand-in). Transforms import torchvision, whose build may be
# another than torch's.
REFUSE = """
import sys, types
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'ickd_mm':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import importlib.util
if importlib.util.find_spec('mmcv._ext') is None:
    ops = types.ModuleType('mmcv.ops')
    ops.__getattr__ = lambda name: type(name, (), {}) if name[0] != '_' else None
    sys.modules['mmcv.ops'] = ops
import torch
try:
    import torchvision
except (ImportError, RuntimeError):
    operators = torch.library.Library('torchvision', 'FRAGMENT')
    operators.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    operators.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
"""


def run_plainly(script, *arguments, cwd):
    """Run Python code with arguments, in a process that cannot import ickd_mm."""
    command = [sys.executable, '-c', REFUSE + script, *map(str, arguments)]
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr[-800:]
    return done
