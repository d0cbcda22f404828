# Correlation congruence between pooled features (Peng et al., arXiv 1904.01802), of unit length,
# as its kernel asks for; without the paper's embeddings. Weight 100: the best of 1, 10, 100 and
# 1000 (docs/comparison.md).
_base_ = '../_base_/distillers/digits_segmentation.py'
model = dict(
    pairs=dict(
        loss_cc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss',
                key='CCKDLoss',
                rows='images',
                unit=True,
                loss_weight=100.0,
            ),
        )
    )
)
