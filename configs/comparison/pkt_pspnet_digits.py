# Probabilistic transfer of pooled features (Passalis and Tefas, arXiv 1803.10837).
# Weight 30000, of scripts/run_cifar_distill.sh in HobbitLong/RepDistiller, is the best of 3000,
# 30000 and 300000.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_pkt=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss', key='PKTLoss', rows='images', loss_weight=30000.0
            ),
        )
    )
)
