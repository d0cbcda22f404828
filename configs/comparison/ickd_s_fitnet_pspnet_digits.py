# ICKD-S and FitNet on the same map, each with a connector of its own. Weights: 5 beside FitNet's
# 10 is the better of 5 and 50 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_fitnet=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.MSELoss', loss_weight=10.0),
        ),
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=(2, 2), loss_weight=5.0),
        ),
    )
)
