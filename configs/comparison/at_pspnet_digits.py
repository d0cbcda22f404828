# Attention transfer (Zagoruyko and Komodakis, arXiv 1612.03928). Weight 1000, of
# scripts/run_cifar_distill.sh in HobbitLong/RepDistiller, is the best of 100, 1000 and 10000.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_at=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(type='ickd_mm.TorchdistillLoss', key='ATLoss', loss_weight=1000.0),
        )
    )
)
