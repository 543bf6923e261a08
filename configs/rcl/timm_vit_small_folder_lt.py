# Fine-tunes a pre-trained ViT-S/16 of timm on your own folder of classes.
# python tools/train.py configs/rcl/timm_vit_small_folder_lt.py --cfg-options data_root=FOLDER
# The first run downloads the weights; without a network: model.backbone.pretrained=False
# model.backbone.checkpoint_path=FILE (or train from scratch, without the latter).
_base_ = [
    '../_base_/datasets/folder_lt.py',
    '../_base_/schedules/finetune_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(
        type='DeviceCropPreprocessor',
        # As timm trained these weights.
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        to_rgb=True,
        channels_last=True,
        view_augments=_base_.view_augments,
    ),
    backbone=dict(type='TIMMBackbone', model_name='vit_small_patch16_224', pretrained=True),
    neck=dict(type='TokenPooling', pool='cls'),
    head=dict(
        type='RCLHead',
        num_classes='auto',
        in_channels=384,
        embedding_dim=128,
        hidden_dim=512,
        loss=dict(type='RCLLoss', temperature=0.1, cls_weight=1.0, con_weight=0.35),
    ),
)
# Small sets change from epoch to epoch: keep the best on val apart from the last epoch.
default_hooks = dict(
    checkpoint=dict(save_best='long_tail/balanced', rule='greater'), logger=dict(interval=10)
)
