# ICKD-C as released for CIFAR-100: one cell, rows of unit length; weight 40 instead of its 2.5.
_base_ = '../_base_/distillers/fashionmnist_classification.py'
model = dict(
    pairs=dict(
        loss_icc=dict(
            student='backbone[0]',
            teacher='backbone[0]',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ICKDLoss', grid=1, loss_weight=40.0),
        )
    )
)
