# Logits (Hinton et al., arXiv 1503.02531). Weight 9: the best of 0.09, 0.9, 9 and
# 90 (docs/comparison.md); 0.9, and temperature 4, in scripts/run_cifar_distill.sh of
# HobbitLong/RepDistiller. The labels' weight stays 1.
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=9.0),
        )
    )
)
