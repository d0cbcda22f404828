# Relations between pooled features (Park et al., arXiv 1904.05068). Distances 25, angles 50
# (distiller_zoo/RKD.py of HobbitLong/RepDistiller), together times 0.01: the best of 1, 0.1,
# 0.01 and 0.001 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_rkd=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss',
                key='RKDLoss',
                rows='images',
                dist_factor=25.0,
                angle_factor=50.0,
                loss_weight=0.01,
            ),
        )
    )
)
