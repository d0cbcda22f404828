# Similarity-preserving distillation (Tung and Mori, arXiv 1907.09682). Weight 3000, of
# scripts/run_cifar_distill.sh in HobbitLong/RepDistiller, is the best of 300, 3000, 30000 and
# 300000 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_sp=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(type='ickd_mm.TorchdistillLoss', key='SPKDLoss', loss_weight=3000.0),
        )
    )
)
