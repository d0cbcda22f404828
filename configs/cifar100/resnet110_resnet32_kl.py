_base_ = './resnet110_resnet32.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
