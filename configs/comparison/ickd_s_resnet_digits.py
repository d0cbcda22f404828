# ICKD-S. No weight of it was ever released; 50 is the best of 0.5, 5, 50 and 500
# (docs/comparison.md).
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=(2, 2), loss_weight=50.0),
        )
    )
)
