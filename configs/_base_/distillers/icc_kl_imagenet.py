# As released: 0.5 CE + 0.5 KL + 500 ICC / (C B B) at B = 256 images a GPU. ICKDLoss divides by C B,
# so its weight is 500 / 256, whatever the batch. The recipes put these pairs into their model;
# change them there, under model.pairs.
custom_imports = dict(imports=['ickd_mm'])  # lets mmpretrain's own tools run it too
imagenet_pairs = dict(
    loss_icc=dict(
        student='backbone.layer4',
        teacher='backbone.layer4',
        connector=dict(type='ickd_mm.ConvConnector', kernel_size=3),
        loss=dict(type='ickd_mm.ICKDLoss', loss_weight=500 / 256),
    ),
    loss_kl=dict(
        student='head.fc',
        teacher='head.fc',
        loss=dict(type='ickd_mm.KLDivergence', tau=1.0, loss_weight=0.5),
    ),
)
