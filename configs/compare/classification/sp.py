# Similarity-preserving distillation (Tung and Mori, arXiv 1907.09682). Weight 30000:
# the best of 300, 3000 and 30000 (docs/comparison.md); 3000 in scripts/run_cifar_distill.sh of
# HobbitLong/RepDistiller.
_base_ = '../../_base_/distilled/resnet_digits.py'
model = dict(
    pairs=dict(
        loss_sp=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss',
                key='SPKDLoss',
                loss_weight=30000.0))))
