_base_ = './resnet32x4_resnet8x4.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
