# ICKD-S and FitNet on the same map, each with a connector of its own. Weights: FitNet's best, and
# for ICKD-S the 5 that is best beside FitNet in segmentation (docs/comparison.md).
_base_ = './fitnet_resnet_digits.py'
model = dict(
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=(2, 2), loss_weight=5.0),
        )
    )
)
