"""Models whose forward asks for data samples, as PointRend's, Mask2Former's and DETR's do."""

import torch
from mmseg.models.decode_heads import PSPHead
from mmseg.models.segmentors import EncoderDecoder

from ickd_mm.registry import MODELS


@MODELS.register_module(force=True)
class AskingHead(PSPHead):
    """Needs a second argument, which ``EncoderDecoder`` does not hand over in mode 'tensor'."""

    def forward(self, inputs, batch_data_samples):
        assert len(batch_data_samples) == len(inputs[0])
        return super().forward(inputs)

    def loss(self, inputs, batch_data_samples, train_cfg):
        return self.loss_by_feat(self.forward(inputs, batch_data_samples), batch_data_samples)

    def predict(self, inputs, batch_img_metas, test_cfg):
        return self.predict_by_feat(self.forward(inputs, batch_img_metas), batch_img_metas)


@MODELS.register_module(force=True)
class MaskingEncoderDecoder(EncoderDecoder):
    """Blots out what the data samples call padding, before anything else runs."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        height, width = data_samples[0].batch_input_shape
        assert (height, width) == inputs.shape[2:]
        mask = torch.zeros_like(inputs)
        for image, sample in zip(mask, data_samples):
            image[:, : sample.img_shape[0], : sample.img_shape[1]] = 1
        return super().forward(inputs * mask, data_samples, mode)


@MODELS.register_module(force=True)
class BrokenHead(PSPHead):
    """Cannot run at all."""

    def _forward_feature(self, inputs):
        raise ArithmeticError('no pyramid today')
