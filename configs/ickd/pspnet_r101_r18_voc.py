# PSPNet R101 -> PSPNet R18 on Pascal VOC 2012 with SBD, by inter-channel correlation on a grid
# (ICKD-S). The recipe to copy: every key of a distilled run stands here with what it may hold.
#
#     python tools/train.py configs/ickd/pspnet_r101_r18_voc.py
#
# The inherited config is the student's own and complete: it trains the student alone. In a folder
# of your own, write 'ickd_mm::baselines/pspnet_r18_voc.py', or your student's config.
_base_ = '../baselines/pspnet_r18_voc.py'

# Lets mmseg's own tools run this file too, also where mmcv-lite is installed.
custom_imports = dict(imports=['ickd_mm'])
# True: score the teacher on the validation set before the first iteration.
teacher_val = False
# A NaN or infinite loss or gradient is reported with its pair; stop=True ends the run there.
finite_check = dict(stop=False)

model = dict(
    _delete_=True,  # the distiller replaces the inherited model, which becomes its student
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    # A config file, 'package::path' or a model dict.
    teacher='mmseg::pspnet/pspnet_r101-d8_4xb4-40k_voc12aug-512x512.py',
    # 'zoo': the weights that the teacher's package lists for that config. Or a path, or a URL.
    teacher_ckpt='zoo',
    # Height and width of the training images where the student's preprocessor does not pad to a
    # size; None: that of the training crop.
    input_size=None,
    supervised=True,  # False: trained on the pairs alone, from images without labels
    # What makes the frozen teacher cheaper to run.
    teacher_run=dict(
        fold=True,  # batch norms into convolutions
        channels_last=True,
        cpu_kernels=True,  # on a CPU: weights in the order its kernels want
        winograd=True,  # on a CPU: wide 3x3 convolutions with fewer multiplications
        dtype=None,  # 'fp32', 'bf16' or 'fp16' for weights and arithmetic
        compile=False,  # or arguments of torch.compile
        size=None,  # height and width of its images, resized from the student's
        store=None,  # a folder that keeps the features for other runs over the same batches
    ),
    # One entry for each pair of feature maps to match. Its name is the loss's name in the log.
    pairs=dict(
        loss_icc=dict(
            # Module paths, as `python tools/inspect_model.py CONFIG` lists them. No released file
            # says where ICKD-S taps: the last stage of both backbones is chosen here.
            student='backbone.layer4',
            teacher='backbone.layer4',
            # Brings the student's map to the teacher's channels, and is dropped after training.
            connector=dict(type='ickd_mm.ConvConnector', kernel_size=1),
            loss=dict(
                type='ickd_mm.ICKDLoss',
                grid=4,  # n x n cells, (n, m), or 1 for the whole map at once (ICKD-C)
                normalize=True,  # rows of unit length, as released; False: the paper's equation
                # False is the released form; docs/comparison.md says what True gives.
                center=True,  # each channel's mean over its cell is taken away first
                # True: the student's channels against the teacher's, for maps of one size.
                cross=False,
                loss_weight=5.0,  # best on the digits; no weight of ICKD-S was ever released
            ),
        )
    ),
)
