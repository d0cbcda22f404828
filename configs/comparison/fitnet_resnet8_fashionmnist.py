# FitNets (Romero et al., arXiv 1412.6550) on the last map before pooling.
_base_ = '../_base_/distillers/fashionmnist_classification.py'
model = dict(
    pairs=dict(
        loss_fitnet=dict(
            student='backbone[0]',
            teacher='backbone[0]',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.MSELoss', loss_weight=10.0),
        )
    )
)
