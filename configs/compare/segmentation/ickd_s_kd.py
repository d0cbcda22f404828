# ICKD-S and logits together. Weight of the logits: 0.1 beside ICKD-S's 5 is the better of 0.1 and 1
# (docs/comparison.md).
_base_ = './ickd_s.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=0.1))))
