# ICKD-S and logits together. Weights 50 and 10: the best of seven pairs of 5, 50, 500 and 0.1, 1,
# 10, 100 (docs/comparison.md).
_base_ = './ickd_s_pspnet_digits.py'
model = dict(
    pairs=dict(
        loss_icc=dict(loss=dict(loss_weight=50.0)),
        loss_kd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=10.0),
        ),
    )
)
