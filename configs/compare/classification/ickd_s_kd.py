# ICKD-S and logits together.
_base_ = './ickd_s.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=0.9))))
