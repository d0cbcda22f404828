# DIST. Weights 2 and 2, temperature 4 (Huang et al., arXiv 2205.10536, CIFAR-100), together times
# 0.1: the best of 1, 0.1 and 0.01 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_dist=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(
                type='ickd_mm.TorchdistillLoss',
                key='DISTLoss',
                beta=2.0,
                gamma=2.0,
                tau=4.0,
                loss_weight=0.1,
            ),
        )
    )
)
