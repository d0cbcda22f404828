# Logits, pixel by pixel. Weight 10 at temperature 1: Liu et al., CVPR 2019,
# arXiv 1903.04197.
_base_ = '../../_base_/distilled/pspnet_digits.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=10.0))))
