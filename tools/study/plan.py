"""Which runs the study is made of: the rows, the imbalances, the sweep, the seeds."""

from itertools import product
from typing import Any, Dict, List, Mapping, Optional, Sequence

from study.pool import Run

Options = Dict[str, Any]

BCL_LOSS = {'model.head.loss.prior_power': 0.0, 'model.head.loss.feature_scale': 1.0}
# Rows of the Digits-LT study: config, and what differs from it.
DIGITS_METHODS: Dict[str, tuple] = {
    'cross-entropy': ('configs/cross_entropy/resnet8_digits_lt.py', {}),
    'balanced softmax': ('configs/balanced_softmax/resnet8_digits_lt.py', {}),
    'SupCon': ('configs/supcon/resnet8_digits_lt.py', {}),
    '+ class averaging': ('configs/ablation/resnet8_digits_lt_2_class_averaging.py', {}),
    'BCL': ('configs/bcl/resnet8_digits_lt.py', {}),
    'BCL + rebalanced': ('configs/ablation/resnet8_digits_lt_4_rebalanced.py', {}),
    'RCL': ('configs/rcl/resnet8_digits_lt.py', {}),
    'BCL standalone': ('configs/rcl/resnet8_digits_lt_standalone.py', BCL_LOSS),
    'RCL standalone': ('configs/rcl/resnet8_digits_lt_standalone.py', {}),
}
IMBALANCES = {
    f'{kind}{factor}': (kind, factor) for kind, factor in product(('exp', 'step'), (10, 50, 100))
}
SEEDS = 10

# The sweep: s^2 / tau, gamma, and beta, on the validation split.
TEMPERATURE = 0.1
SHARPNESS = (2, 5, 10, 20, 50)
PRIOR_POWER = (0.0, 0.5, 1.0, 1.5)
CON_WEIGHT = (0.1, 0.3, 1.0, 3.0)
DEFAULT_CON_WEIGHT = 0.3
SWEEP_SEEDS = 3

# The full recipe on CIFAR-10 (JPEG)-LT, made fast for a GPU, and the short protocol for processors.
CIFAR_METHODS: Dict[str, tuple] = {
    'cross-entropy': ('configs/cross_entropy/{}_resident{}.py', {}),
    'balanced softmax': ('configs/balanced_softmax/{}_resident{}.py', {}),
    'BCL': ('configs/bcl/{}_resident{}.py', {}),
    'BCL + rebalanced': (
        'configs/rcl/{}_resident{}.py',
        {'model.head.loss.feature_scale': 1.0, 'model.head.loss.con_weight': 0.6},
    ),
    'RCL': ('configs/rcl/{}_resident{}.py', {}),
    'BCL standalone': ('configs/rcl/{}_standalone_resident{}.py', BCL_LOSS),
    'RCL standalone': ('configs/rcl/{}_standalone_resident{}.py', {}),
}
CIFAR_RECIPES = {
    'cifar': ('resnet8_cifar10_jpeg_lt_20e', ''),
    'cifar-full': ('resnet32_cifar10_jpeg_lt', '_fast'),
}
# The sweep decides RCL's settings of the full recipe alone; without it these rows are the same.
CIFAR_LEFT_OUT = {'cifar': ('BCL + rebalanced',), 'cifar-full': ()}
# Its sweep, one setting at a time from BCL's recipe with gamma = 1: 40 epochs on held-out images.
CIFAR_SWEEP_CONFIG = 'configs/rcl/resnet32_cifar10_jpeg_lt_tune.py'
CIFAR_CON_WEIGHT = 0.6
CIFAR_SWEEP = (
    *((sharpness, 1.0, CIFAR_CON_WEIGHT) for sharpness in (2, 5, 10, 15, 20, 30, 50)),
    *((10, power, CIFAR_CON_WEIGHT) for power in (0.0, 0.5, 1.5)),
    *((10, 1.0, weight) for weight in (0.3, 1.0, 2.0)),
)


def feature_scale(sharpness: float, temperature: float = TEMPERATURE) -> float:
    """The feature scale s at which s^2 / tau is ``sharpness``."""
    return round((sharpness * temperature) ** 0.5, 4)


def resident_digits(imbalance_type: str, imbalance_factor: float) -> Options:
    """Options that keep Digits-LT in memory and make its views on the device, batch by batch.

    The same views in distribution as those of the loader, at a third of the cost on a processor.
    """
    options: Options = {
        'model.data_preprocessor.to_rgb': False,
        'model.data_preprocessor.view_augments': [dict(type='DigitsAugment')] * 2,
    }
    splits = {
        'train': dict(imbalance_type=imbalance_type, imbalance_factor=imbalance_factor),
        'val': {},
        'test': {},
    }
    for split, imbalance in splits.items():
        loader = f'{split}_dataloader'
        inner = dict(type='DigitsLT', split=split, pipeline=[], **imbalance)
        options[f'{loader}.dataset'] = dict(_delete_=True, type='ResidentDataset', dataset=inner)
        options[f'{loader}.collate_fn'] = dict(type='resident_collate')
        options[f'{loader}.num_workers'] = 0
        options[f'{loader}.persistent_workers'] = False
    # One validation, at the end: nothing is selected by it.
    options['train_cfg.val_interval'] = 100000
    options['default_hooks.logger.interval'] = 50
    return options


def digits_runs(
    seeds: int = SEEDS,
    methods: Optional[Sequence[str]] = None,
    extra: Optional[Mapping[str, Options]] = None,
    imbalances: Optional[Sequence[str]] = None,
) -> List[Run]:
    """The Digits-LT study: methods x imbalances x seeds, tested on the test split.

    Args:
        seeds (int): Number of seeds. Defaults to 10.
        methods (Sequence[str], optional): Only these rows.
        extra (dict, optional): More options by row, such as what the sweep chose.
        imbalances (Sequence[str], optional): Only these of :data:`IMBALANCES`.
    """
    runs = []
    for seed, name, method in product(range(seeds), imbalances or IMBALANCES, DIGITS_METHODS):
        if methods and method not in methods:
            continue
        kind, factor = IMBALANCES[name]
        config, options = DIGITS_METHODS[method]
        options = {**resident_digits(kind, factor), **options, **(extra or {}).get(method, {})}
        runs.append(
            Run(
                name=f'digits/{slug(method)}/{name}/seed{seed}',
                config=config,
                seed=seed,
                options=options,
                factors=dict(
                    part='digits', method=method, imbalance_type=kind, imbalance_factor=factor
                ),
                feature_metrics=True,
            )
        )
    return runs


def sweep_settings() -> List[Dict[str, Any]]:
    """The settings of the sweep, as the factors of its runs."""
    settings = []
    for sharpness, power in product(SHARPNESS, PRIOR_POWER):
        for method in ('RCL', 'RCL standalone'):
            weight = DEFAULT_CON_WEIGHT if method == 'RCL' else 1.0
            settings.append(
                dict(method=method, sharpness=sharpness, prior_power=power, con_weight=weight)
            )
    for weight, sharpness in product(CON_WEIGHT, (5, 10, 20)):
        if weight != DEFAULT_CON_WEIGHT:
            settings.append(
                dict(method='RCL', sharpness=sharpness, prior_power=1.0, con_weight=weight)
            )
    return settings


def sweep_runs(
    seeds: int = SWEEP_SEEDS, imbalance_type: str = 'exp', imbalance_factor: float = 50
) -> List[Run]:
    """The sweep on Digits-LT: evaluated on the validation split; test images are never loaded."""
    runs = []
    for seed, setting in product(range(seeds), sweep_settings()):
        config, _ = DIGITS_METHODS[setting['method']]
        label = '-'.join(f'{setting[key]:g}' for key in ('sharpness', 'prior_power', 'con_weight'))
        options = resident_digits(imbalance_type, imbalance_factor)
        options.update(loss_options(setting))
        runs.append(
            Run(
                name=f'sweep/{slug(setting["method"])}/{label}/seed{seed}',
                config=config,
                seed=seed,
                options=options,
                factors=dict(
                    part='sweep',
                    imbalance_type=imbalance_type,
                    imbalance_factor=imbalance_factor,
                    **setting,
                ),
                split='val',
            )
        )
    return runs


def cifar_runs(
    part: str,
    seeds: int,
    methods: Optional[Sequence[str]] = None,
    extra: Optional[Mapping[str, Options]] = None,
) -> List[Run]:
    """CIFAR-10 (JPEG)-LT, imbalance factor 100.

    Args:
        part (str): 'cifar-full' for the full recipe or 'cifar' for the short protocol.
        seeds (int): Number of seeds.
        methods (Sequence[str], optional): Only these rows.
        extra (dict, optional): More options by row.
    """
    return [
        Run(
            name=f'{part}/{slug(method)}/seed{seed}',
            config=template.format(*CIFAR_RECIPES[part]),
            seed=seed,
            options={**options, **(extra or {}).get(method, {})},
            factors=dict(part=part, method=method),
            feature_metrics=True,
        )
        for seed in range(seeds)
        for method, (template, options) in CIFAR_METHODS.items()
        if (not methods or method in methods) and method not in CIFAR_LEFT_OUT[part]
    ]


def cifar_sweep_runs(seeds: int = 1) -> List[Run]:
    """The sweep on CIFAR-10 (JPEG)-LT: evaluated on held-out training images, never on test."""
    runs = []
    for seed, (sharpness, power, weight) in product(range(seeds), CIFAR_SWEEP):
        setting = dict(method='RCL', sharpness=sharpness, prior_power=power, con_weight=weight)
        runs.append(
            Run(
                name=f'cifar-sweep/{sharpness:g}-{power:g}-{weight:g}/seed{seed}',
                config=CIFAR_SWEEP_CONFIG,
                seed=seed,
                options=loss_options(setting),
                factors=dict(part='cifar-sweep', **setting),
                split='val',
            )
        )
    return runs


def loss_options(setting: Mapping[str, Any]) -> Options:
    """The options of a setting of the sweep."""
    return {
        'model.head.loss.temperature': TEMPERATURE,
        'model.head.loss.feature_scale': feature_scale(setting['sharpness']),
        'model.head.loss.prior_power': setting['prior_power'],
        'model.head.loss.con_weight': setting['con_weight'],
    }


def slug(method: str) -> str:
    """A method's name as a folder name."""
    return method.lower().replace('+ ', '').replace(' ', '_')
