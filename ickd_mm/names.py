"""The names that ``from ickd_mm import …`` knows, and the package that each lives in."""

BACKBONES = '.backbones'
HOMES = {
    'CIFARMobileNetV2': BACKBONES,
    'CIFARResNet': BACKBONES,
    'CIFARShuffleNetV1': BACKBONES,
    'CIFARShuffleNetV2': BACKBONES,
    'CIFARVGG': BACKBONES,
    'CIFARWideResNet': BACKBONES,
    'ChannelWiseDivergence': '.losses',
    'ConvConnector': '.connectors',
    'FeatureDistiller': '.distillers',
    'ICKDLoss': '.losses',
    'KLDivergence': '.losses',
    'MSELoss': '.losses',
    'TorchdistillLoss': '.losses',
    'VIDRegressor': '.connectors',
    'channel_wise_divergence': '.functional',
    'icc_loss': '.functional',
    'inter_channel_correlation': '.functional',
    'kl_divergence': '.functional',
}
