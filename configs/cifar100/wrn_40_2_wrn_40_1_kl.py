_base_ = './wrn_40_2_wrn_40_1.py'
model = dict(pairs=dict(loss_kl={{_base_.kl_pair}}))
