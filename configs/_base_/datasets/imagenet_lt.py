# ImageNet-LT: 115,846 training images of 1,000 classes. Its val split is cut from ImageNet's
# training images, its test split is ImageNet's validation set. Views as in BCL (Zhu et al., CVPR
# 2022): the loader decodes, the device cuts, resizes and augments whole batches. What differs from
# Pillow's views, which pillow_views.py has, is in docs/performance.md.
dataset_type = 'ImageNetLT'
data_root = 'data/imagenet'

# "randcls": the strong view of the classifier. "sim" and "rand": those of the contrastive loss.
randcls_view = dict(type='RandClsAugment')
sim_view = dict(type='SimAugment')
rand_view = dict(type='SimAugment', rand_augment=(2, 10, 0.5))
# For model.data_preprocessor.view_augments, beside a pipeline with as many views. View 0 is the
# classifier's, views 1 and 2 are the contrastive loss's.
sim_sim_views = [randcls_view, sim_view, sim_view]
sim_rand_views = [randcls_view, sim_view, rand_view]
rand_rand_views = [randcls_view, rand_view, rand_view]
# Both views in both branches.
two_views = [randcls_view, sim_view]
# The contrastive views alone, for standalone RCL.
contrastive_views = [sim_view, sim_view]

load = dict(type='LoadImageFromFile')
pack = dict(type='PackFast')
# Baselines: the classifier's view alone, drawn from the same random numbers.
one_view_pipeline = [load, dict(type='CropOnDevice', num_views=1), pack]
two_view_pipeline = [load, dict(type='CropOnDevice', num_views=2), pack]
three_view_pipeline = [load, dict(type='CropOnDevice', num_views=3), pack]
test_pipeline = [
    load,
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=256,
    # A core decodes about 700 images a second; more workers than the GPU needs only take memory.
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='train', pipeline=one_view_pipeline),
    sampler=dict(type='ReproducibleSampler', shuffle=True),
    collate_fn=dict(type='fast_collate'),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=6,
    persistent_workers=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
test_dataloader = dict(
    batch_size=256,
    num_workers=6,
    persistent_workers=True,
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
val_evaluator = dict(type='LongTailMetric')
test_evaluator = dict(type='LongTailMetric')
