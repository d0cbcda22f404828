# ICKD-C as ADLab-AutoDrive/ICKD, Cifar100, trains it: CE + 2.5 ICC (+ KL at temperature 4), on the
# last map before pooling. For a wide ResNet that is the map behind its final batch norm and ReLU,
# as in that code's models/wrn.py.
how_to_get_teacher = 'docs/data.md says how to get and convert it, or train it with its own config'
pairs = dict(
    loss_icc=dict(
        student='backbone[0]',
        teacher='backbone[0]',
        connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
        loss=dict(type='ickd_mm.ICKDLoss', grid=1, normalize=True, loss_weight=2.5)))
kl_pair = dict(
    student='head.fc',
    teacher='head.fc',
    loss=dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=1.0))
