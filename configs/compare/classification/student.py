# The student alone, over half as many iterations again as in the demo: at the demo's 600 the seed
# decides whether it has left chance at all. The demo's rate is its best here too
# (docs/comparison.md has the sweep).
_base_ = '../../digits/resnet_student.py'
train_cfg = dict(max_iters=900, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=900))
