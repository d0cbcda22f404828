# ICKD-C as ADLab-AutoDrive/ICKD, Cifar100, trains it: CE + 2.5 ICC, on the last map before pooling.
# For a wide ResNet that is the map behind its final batch norm and ReLU, as in that code's
# models/wrn.py. The recipes put these pairs into their model; change them there, under model.pairs.
how_to_get_teacher = 'docs/data.md says how to get and convert it, or train it with its own config'
cifar100_pairs = dict(
    loss_icc=dict(
        student='backbone[0]',
        teacher='backbone[0]',
        connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
        loss=dict(type='ickd_mm.ICKDLoss', grid=1, normalize=True, loss_weight=2.5),
    )
)
