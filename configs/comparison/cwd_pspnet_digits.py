# Channel-wise distillation of the logits' maps. Weight 3 and temperature 4, of Shu et al. (arXiv
# 2011.13256, SemSeg-distill/README.md of irfanICMLL/TorchDistiller), are the best of 0.3, 3, 30.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_cwd=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(type='ickd_mm.ChannelWiseDivergence', tau=4.0, loss_weight=3.0),
        )
    )
)
