# Probabilistic transfer of pooled features (Passalis and Tefas, arXiv 1803.10837).
# Weight 300: the best of 30, 300, 3000 and 30000 (docs/comparison.md); the last in
# scripts/run_cifar_distill.sh of HobbitLong/RepDistiller.
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_pkt=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss', key='PKTLoss', rows='images', loss_weight=300.0
            ),
        )
    )
)
