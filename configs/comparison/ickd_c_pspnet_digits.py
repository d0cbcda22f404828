# ICKD-C. Weight 25: the best of 2.5, 25 and 250 (docs/comparison.md); 2.5 in the released CIFAR-100
# recipe of ADLab-AutoDrive/ICKD.
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_icc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, loss_weight=25.0),
        )
    )
)
