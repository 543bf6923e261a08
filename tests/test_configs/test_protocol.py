"""Nothing is selected on the test split; the recipes' numbers are those of the field."""

import re

import pytest

from .catalogue import benchmark_configs, flat, load, training_pipeline


def innermost(loader: dict) -> dict:
    dataset = loader['dataset']
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def which_images(loader: dict) -> tuple:
    """Data set, folder and split."""
    dataset = innermost(loader)
    split = dataset.get('split') or dataset.get('data_prefix')
    held_out = loader['dataset'].get('dataset', {}).get('held_out')
    return dataset['type'], dataset.get('data_root'), split, held_out


@pytest.mark.parametrize('name', benchmark_configs())
def test_no_model_is_selected_on_test_images(name) -> None:
    config = load(name)
    test = which_images(config.test_dataloader)
    train = which_images(config.train_dataloader)
    assert test[:2] == train[:2] and test != train
    if config.val_dataloader is None:
        assert config.val_cfg is config.val_evaluator is None
        assert 'save_best' not in config.default_hooks.checkpoint
    else:
        assert which_images(config.val_dataloader) not in (test, train)
    assert config.test_evaluator.type == 'LongTailMetric'
    # The last epoch is always saved.
    assert config.default_hooks.checkpoint.get('save_last', True)


@pytest.mark.parametrize('name', [n for n in benchmark_configs() if re.search('imagenet|plac', n)])
def test_best_on_val_is_kept_apart_where_there_is_a_val_split(name) -> None:
    config = load(name)
    assert config.val_dataloader.dataset.split == 'val'
    assert config.test_dataloader.dataset.split == 'test'
    assert config.default_hooks.checkpoint.save_best == 'long_tail/balanced'
    assert config.train_cfg.val_interval == 1


def test_inaturalist_has_its_validation_images_as_test_split() -> None:
    assert load('rcl/resnet50_inaturalist2018.py').test_dataloader.dataset.split == 'val'


def test_settings_are_chosen_on_held_out_training_images() -> None:
    tune = load('rcl/resnet32_cifar10_jpeg_lt_tune.py')
    train = tune.train_dataloader.dataset.dataset
    val = tune.val_dataloader.dataset.dataset
    same = ('imbalance_type', 'imbalance_factor', 'img_max')
    assert [train[k] for k in same] == [val[k] for k in same]
    # 5,000 images of each class, of which training leaves enough of the largest.
    assert 'held_out' not in train and val.held_out <= 5000 - train.img_max


@pytest.mark.parametrize(
    'pattern, head, loss',
    [
        (
            'cifar',
            dict(embedding_dim=128, hidden_dim=512, in_channels=64),
            dict(temperature=0.1, cls_weight=2.0, con_weight=0.6),
        ),
        (
            'imagenet|inaturalist|places',
            dict(
                embedding_dim=1024,
                hidden_dim=2048,
                in_channels=2048,
                classifier='cosine',
                classifier_scale=30.0,
            ),
            dict(temperature=0.07, cls_weight=1.0, con_weight=0.35),
        ),
    ],
)
def test_contrastive_branch_has_the_numbers_of_bcl(pattern, head, loss) -> None:
    names = [n for n in benchmark_configs() if re.search(pattern, n) and 'standalone' not in n]
    names = [n for n in names if re.match('rcl|bcl|supcon|ablation', n)]
    assert len(names) > 20
    for name in names:
        config = load(name).model.head
        assert {k: config.get(k) for k in head} == head, name
        assert {k: config.loss.get(k) for k in loss} == loss, name


def test_normalisation() -> None:
    """Means and deviations of the recipes, on the scale of 0 to 255."""
    expected = {
        'rcl/resnet32_cifar100_lt.py': ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        'rcl/resnet50_inaturalist2018.py': ((0.466, 0.471, 0.380), (0.195, 0.194, 0.192)),
        'rcl/resnext50_imagenet_lt.py': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        'rcl/resnet152_places_lt.py': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    }
    for name, values in expected.items():
        preprocessor = load(name).model.data_preprocessor
        for ours, theirs in zip((preprocessor.mean, preprocessor.std), values):
            assert ours == pytest.approx([255 * value for value in theirs]), name
        # Arrays of MMPretrain's CIFAR are RGB, images from files BGR.
        assert preprocessor.to_rgb == ('cifar' not in name)
    assert load('rcl/resnet32_cifar10_jpeg_lt.py').model.data_preprocessor.to_rgb
    assert not load('rcl/resnet32_cifar10_jpeg_lt_resident.py').model.data_preprocessor.to_rgb


@pytest.mark.parametrize('name', [n for n in benchmark_configs() if 'digits' not in n])
def test_colour_order_of_the_transforms_fits_the_images(name) -> None:
    """MMPretrain's CIFAR gives RGB arrays, files are read as BGR; each transform must know."""
    dataset = innermost(load(name).train_dataloader)
    rgb = dataset.type == 'CIFARLT'
    keys = flat(training_pipeline(name))
    for key, value in keys.items():
        if key.endswith('.type') and value in ('TorchvisionAutoAugment', 'RandomColorJitter'):
            order = keys.get(key[: -len('type')] + 'channel_order', 'bgr')
            assert order == ('rgb' if rgb else 'bgr'), key
        if key.endswith('.channel_weights'):
            assert tuple(value) == ((0.299, 0.587, 0.114) if rgb else (0.114, 0.587, 0.299))
