# Logits, pixel by pixel, at temperature 1 (Liu et al., CVPR 2019, arXiv 1903.04197, weight 10).
# Weight 0.01: the best of 0.01, 0.1, 1 and 10 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=0.01),
        )
    )
)
