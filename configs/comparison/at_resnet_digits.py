# Attention transfer (Zagoruyko and Komodakis, arXiv 1612.03928). Weight 10: the
# best of 1, 10, 100 and 1000 (docs/comparison.md); 1000 in scripts/run_cifar_distill.sh of
# HobbitLong/RepDistiller.
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_at=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(type='ickd_mm.TorchdistillLoss', key='ATLoss', loss_weight=10.0),
        )
    )
)
