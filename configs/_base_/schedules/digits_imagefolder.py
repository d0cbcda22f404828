# The scenes' schedule for mmpretrain. The learning rate is the best one for the student alone
# (docs/demo.md has the sweep).
_base_ = './digits.py'
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_iters=600, val_interval=200)
default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
default_hooks = dict(checkpoint=dict(interval=600))
