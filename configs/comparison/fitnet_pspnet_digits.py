# FitNets (Romero et al., arXiv 1412.6550, which trains its hint in a stage of its own).
# Weight 10: the best of 1, 10, 100 and 1000 (docs/comparison.md); 100 in
# scripts/run_cifar_distill.sh of HobbitLong/RepDistiller.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_fitnet=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.MSELoss', loss_weight=10.0),
        )
    )
)
