# Logits (Hinton et al., arXiv 1503.02531). Temperature 4 as in scripts/run_cifar_distill.sh of
# HobbitLong/RepDistiller, but ten times its weight of 0.9; the labels' weight stays 1.
_base_ = '../_base_/distillers/fashionmnist_classification.py'
model = dict(
    pairs=dict(
        loss_kd=dict(
            student='head.fc',
            teacher='head.fc',
            loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=9.0),
        )
    )
)
