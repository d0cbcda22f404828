# Channel-wise distillation of features, since class scores have no positions. Weight 50
# and temperature 4, of Shu et al. (arXiv 2011.13256), are the best of 5, 50 and 500.
_base_ = '../_base_/distillers/digits_classification.py'
model = dict(
    pairs=dict(
        loss_cwd=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(type='ickd_mm.ChannelWiseDivergence', tau=4.0, loss_weight=50.0),
        )
    )
)
