# The recipe's ICKD-C, centred and against the teacher's channels, and KD beside it.
_base_ = '../ickd/resnet32_resnet8_fashionmnist.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=9.0),
        )
    )
)
