# ICKD-C. Weight 2.5, of the released CIFAR-100 recipe of ADLab-AutoDrive/ICKD, is the best of
# 0.25, 2.5 and 25 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, loss_weight=2.5),
        )
    )
)
