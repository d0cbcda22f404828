# ICKD-S and logits together.
_base_ = './ickd_s.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=10.0))))
