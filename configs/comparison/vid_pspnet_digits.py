# Variational information distillation (Ahn et al., arXiv 1904.05835). Weight 100: the best of
# 1, 10, 100 and 1000 (docs/comparison.md); 1 in scripts/run_cifar_distill.sh of
# HobbitLong/RepDistiller.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_vid=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.VIDRegressor'),
            loss=dict(type='ickd_mm.TorchdistillLoss', key='VIDLoss', loss_weight=100.0),
        )
    )
)
