# ICKD-S without labels: the demo's student learns from its pair alone, on scenes without masks.
# Validation scores the head, which is not trained here: it comes once, at the end. Training with
# labels goes on from the checkpoint, in another run (docs/own_model.md).
_base_ = './pspnet_digits.py'
how_to_get_data = 'make it with: python tools/prepare_digits.py --unlabelled 2000 (docs/data.md)'
model = dict(supervised=False)
train_dataloader = dict(
    dataset=dict(
        ann_file='',  # every image of the folder
        data_prefix=dict(img_path='unlabelled', seg_map_path=''),
        pipeline=[step for step in _base_.train_pipeline if step['type'] != 'LoadAnnotations'],
    )
)
train_cfg = dict(max_iters=900, val_interval=900)
default_hooks = dict(checkpoint=dict(interval=900))
