_base_ = './wrn_40_2_wrn_16_2.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
