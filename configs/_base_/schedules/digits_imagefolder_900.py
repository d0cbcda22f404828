# Half as many iterations again as in the demo, where the seed decides whether the student alone
# has left chance at all. The demo's rate is its best here too (docs/comparison.md has the sweep).
_base_ = './digits_imagefolder.py'
train_cfg = dict(max_iters=900, val_interval=300)
default_hooks = dict(checkpoint=dict(interval=900))
