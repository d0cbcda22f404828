# The same losses from random weights, with the start and the schedule of resnet18_scratch.py.
_base_ = './resnet34_resnet18_pretrained.py'
model = dict(student=dict(init_cfg=None))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
