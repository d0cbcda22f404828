# Correlation congruence between pooled features (Peng et al., arXiv 1904.01802).
# Weight 0.002: the best of 0.002, 0.02 and 0.2 (docs/comparison.md); 0.02 in
# scripts/run_cifar_distill.sh of HobbitLong/RepDistiller (which compares neighbours in the batch;
# torchdistill has the paper's kernel between all). The rows are as they are, where that kernel is a
# Gaussian of unit rows only: the segmentation's cc.py has those (docs/comparison.md).
_base_ = '../../_base_/distilled/resnet_digits.py'
model = dict(
    pairs=dict(
        loss_cc=dict(
            student='backbone.layer4',
            teacher='backbone.layer4',
            loss=dict(
                type='ickd_mm.TorchdistillLoss',
                key='CCKDLoss',
                rows='images',
                loss_weight=0.002))))
