_base_ = './vgg13_vgg8.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
