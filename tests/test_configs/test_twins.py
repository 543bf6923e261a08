"""A method's config differs from its baseline's only in the lines that are the method."""

import re
from typing import Set

import pytest

from .catalogue import (
    ROOT,
    all_configs,
    differences,
    load,
    number_of_views,
    training_pipeline,
)

STEMS = [
    'resnet8_digits_lt',
    'resnet32_cifar10_lt',
    'resnet32_cifar10_lt_400e',
    'resnet32_cifar100_lt',
    'resnet32_cifar100_lt_400e',
    'resnet32_cifar10_jpeg_lt',
    'resnet32_cifar10_jpeg_lt_resident',
    'resnet50_imagenet_lt',
    'resnet50_imagenet_lt_180e',
    'resnext50_imagenet_lt',
    'resnext50_imagenet_lt_180e',
    'resnet50_inaturalist2018',
    'resnet152_places_lt',
]
WITH_LDAM = [stem for stem in STEMS if 'digits' not in stem]
# Recipes of large images, but for those that match BCL to the pixel.
CUT_ON_DEVICE = re.compile('(imagenet|places|folder)_lt(?!.*_reference)|inaturalist2018(?!_ref)')
VARIANT = re.compile('_2view|_sim_rand|_rand_rand')
VIEWS = r'train_dataloader(\.dataset)+\.pipeline\.|model\.data_preprocessor\.view_augments'


def changed(baseline: str, method: str) -> Set[str]:
    return set(differences(baseline, method))


def only(keys: Set[str], *patterns: str) -> bool:
    """Whether each key is one of the patterns, and each pattern occurs."""
    return all(any(re.match(p, k) for p in patterns) for k in keys) and all(
        any(re.match(p, k) for k in keys) for p in patterns
    )


@pytest.mark.parametrize('stem', STEMS)
def test_balanced_softmax_differs_in_the_loss(stem) -> None:
    keys = changed(f'cross_entropy/{stem}.py', f'balanced_softmax/{stem}.py')
    assert keys == {'model.head.loss.type', 'model.head.loss.loss_weight'}


@pytest.mark.parametrize('stem', WITH_LDAM)
def test_ldam_drw_differs_in_loss_classifier_and_reweighting(stem) -> None:
    keys = changed(f'cross_entropy/{stem}.py', f'ldam_drw/{stem}.py')
    assert only(keys, r'model\.head\.', r'custom_hooks\.\d\.')
    head = load(f'ldam_drw/{stem}.py').model.head
    # One scale, for the classifier's cosines and for the margins.
    assert head.type == 'CosineClsHead' and head.scale == head.loss.scale == 30.0
    hook = load(f'ldam_drw/{stem}.py').custom_hooks[-1]
    epochs = load(f'ldam_drw/{stem}.py').train_cfg.max_epochs
    # Cao et al.: 160 of 200, where the learning rate drops first; 360 of 400 for the same reason.
    assert hook == dict(
        type='DeferredReweightingHook', begin=360 if epochs == 400 else epochs * 4 // 5
    )


@pytest.mark.parametrize('stem', STEMS)
def test_rcl_differs_in_head_and_views(stem) -> None:
    keys = changed(f'cross_entropy/{stem}.py', f'rcl/{stem}.py')
    if 'digits' in stem:
        # Its baseline trains on both views, as on images of their own.
        assert only(keys, r'model\.head\.', r'model\.data_preprocessor\.repeat_samples$')
    else:
        assert only(keys, r'model\.head\.', VIEWS)
        assert number_of_views(f'cross_entropy/{stem}.py') == 1
        assert number_of_views(f'rcl/{stem}.py') == 3


@pytest.mark.parametrize('stem', STEMS)
def test_bcl_is_rcl_without_balancing(stem) -> None:
    keys = changed(f'rcl/{stem}.py', f'bcl/{stem}.py')
    assert keys == {'model.head.loss.prior_power', 'model.head.loss.feature_scale'}
    loss = load(f'bcl/{stem}.py').model.head.loss
    assert (loss.prior_power, loss.feature_scale) == (0.0, 1.0)


@pytest.mark.parametrize('stem', STEMS)
def test_supcon_is_bcl_without_averaging_and_prototypes(stem) -> None:
    keys = changed(f'bcl/{stem}.py', f'supcon/{stem}.py')
    assert keys == {'model.head.prototypes', 'model.head.loss.class_averaging'}
    head = load(f'supcon/{stem}.py').model.head
    assert head.prototypes is None and head.loss.class_averaging is False


@pytest.mark.parametrize('name', [n for n in all_configs() if 'standalone' in n and 'rcl/' in n])
def test_standalone_has_no_classifier_and_learnable_prototypes(name) -> None:
    keys = changed(name.replace('_standalone', ''), name)
    head = ('classifier', 'prototypes', r'loss\.cls_weight', r'loss\.con_weight')
    assert all(re.match(rf'model\.head\.({"|".join(head)})|{VIEWS}', k) for k in keys)
    head = load(name).model.head
    assert head.classifier is None and head.prototypes == 'learnable'
    assert head.loss.cls_weight == 0 < head.loss.con_weight
    assert number_of_views(name) == 2


@pytest.mark.parametrize(
    'name', [n for n in all_configs() if re.search('2view|sim_rand|rand_r', n)]
)
def test_variants_of_the_views_differ_in_the_views(name) -> None:
    keys = changed(VARIANT.sub('', name), name)
    assert keys and all(re.match(VIEWS, key) for key in keys)
    assert number_of_views(name) == (2 if '2view' in name else 3)


def test_views_of_the_contrastive_branch() -> None:
    """sim-sim, sim-rand and rand-rand: which of the two contrastive views have RandAugment."""
    with_rand_augment = {}
    for variant in ('', '_sim_rand', '_rand_rand'):
        config = load(f'rcl/resnext50_imagenet_lt{variant}.py')
        first, *contrastive = config.model.data_preprocessor.view_augments
        assert first.type == 'RandClsAugment'
        assert all(view.type == 'SimAugment' for view in contrastive)
        with_rand_augment[variant] = sum('rand_augment' in view for view in contrastive)
    assert with_rand_augment == {'': 0, '_sim_rand': 1, '_rand_rand': 2}


@pytest.mark.parametrize('name', [n for n in all_configs() if CUT_ON_DEVICE.search(n)])
def test_large_images_are_decoded_on_the_cpu_and_all_else_is_the_devices(name) -> None:
    config = load(name)
    load_image, crops, pack = training_pipeline(name)
    assert (load_image.type, pack.type) == ('LoadImageFromFile', 'PackFast')
    preprocessor = config.model.data_preprocessor
    assert preprocessor.type == 'DeviceCropPreprocessor' and preprocessor.channels_last
    assert crops.num_views == len(preprocessor.view_augments)
    assert config.train_dataloader.collate_fn.type == 'fast_collate'
    wrapper = config.optim_wrapper
    assert (wrapper.type, wrapper.dtype) == ('AmpOptimWrapper', 'bfloat16')
    hooks = [hook.type for hook in config.custom_hooks]
    # Convolutions alone have a memory order.
    assert ('ChannelsLastHook' in hooks) == ('vit' not in name)


@pytest.mark.parametrize('name', [n for n in all_configs() if '_reference' in n])
def test_reference_differs_in_precision_and_who_makes_the_views(name) -> None:
    keys = changed(name.replace('_reference', ''), name)
    preprocessor = 'type|channels_last|view_augments'
    assert only(
        keys,
        r'train_dataloader\.(num_workers|collate_fn\.type)$',
        r'train_dataloader\.dataset\.pipeline\.',
        rf'model\.data_preprocessor\.({preprocessor})',
        r'optim_wrapper\.(type|dtype)$',
        r'custom_hooks\.1\.type$',
    )
    assert load(name).optim_wrapper.type == 'OptimWrapper'
    assert training_pipeline(name)[1].num_views == [1, 2]


@pytest.mark.parametrize('name', [n for n in all_configs() if '8gpu' in n])
def test_multi_gpu_configs_keep_the_global_batch(name) -> None:
    single = name.replace('_8gpu', '')
    assert only(
        changed(single, name),
        'sync_bn$',
        r'train_dataloader\.(batch_size|num_workers)$',
        r'(val|test)_dataloader\.batch_size$',
    )
    assert load(name).sync_bn == 'torch'
    assert 8 * load(name).train_dataloader.batch_size == load(single).train_dataloader.batch_size


def test_every_row_of_the_tables_has_a_config() -> None:
    for stem in WITH_LDAM:
        for method in ('cross_entropy', 'balanced_softmax', 'ldam_drw', 'supcon', 'bcl', 'rcl'):
            assert (ROOT / 'configs' / method / f'{stem}.py').is_file(), f'{method}/{stem}.py'
