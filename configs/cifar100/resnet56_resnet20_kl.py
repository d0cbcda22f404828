_base_ = './resnet56_resnet20.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
