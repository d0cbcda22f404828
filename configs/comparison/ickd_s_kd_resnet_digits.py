# ICKD-S and logits together, each with its own best weight.
_base_ = './ickd_s_resnet_digits.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=9.0),
        )
    )
)
