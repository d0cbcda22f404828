# DIST, every pixel a sample. 10 times the weights 1 and 1 of Huang et al. (arXiv
# 2205.10536, segmentation/losses/dist_kd.py of hunto/DIST_KD) are the best of 0.1 to 100
# times.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_dist=dict(
            student='decode_head.conv_seg',
            teacher='decode_head.conv_seg',
            loss=dict(
                type='ickd_mm.TorchdistillLoss', key='DISTLoss', rows='pixels', loss_weight=10.0
            ),
        )
    )
)
