"""Where the tests marked gpu run; GPU_TESTS_DEVICE=cpu tries them without a GPU."""

import os

DEVICE = os.environ.get('GPU_TESTS_DEVICE', 'cuda')
ON_GPU = DEVICE == 'cuda'
HALVES = ['float16', 'bfloat16']
