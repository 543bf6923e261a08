"""The study's runs: what the issue asks for, each a config that can be built and trained."""

from collections import Counter

import pytest
from mmengine.config import Config
from study.plan import (
    CIFAR_METHODS,
    CIFAR_RECIPES,
    DIGITS_METHODS,
    SHARPNESS,
    cifar_runs,
    cifar_sweep_runs,
    digits_runs,
    feature_scale,
    slug,
    sweep_runs,
)
from study.run import ROOT, run_config

ALL = [
    *digits_runs(),
    *sweep_runs(),
    *cifar_sweep_runs(),
    *(run for part in CIFAR_RECIPES for run in cifar_runs(part, 2)),
]


def loss_of(run):
    """The loss that a run trains with."""
    cfg = Config.fromfile(ROOT / run.config)
    cfg.merge_from_dict(run.options)
    return cfg.model.head.loss


def test_digits_study_is_complete() -> None:
    runs = digits_runs()
    cells = Counter(
        (r.factors['method'], r.factors['imbalance_type'], r.factors['imbalance_factor'])
        for r in runs
    )
    assert len(cells) == 9 * 6 and set(cells.values()) == {10}
    assert {cell[1:] for cell in cells} == {(k, f) for k in ('exp', 'step') for f in (10, 50, 100)}
    assert all(run.split == 'test' and run.feature_metrics for run in runs)


def test_some_imbalances_only() -> None:
    runs = digits_runs(2, imbalances=['step50', 'exp10'])
    assert [run.name for run in digits_runs(2) if '/step50/' in run.name] == [
        run.name for run in runs if '/step50/' in run.name
    ]
    assert {run.name.split('/')[2] for run in runs} == {'step50', 'exp10'}


def test_names_are_unique_and_configs_exist() -> None:
    assert len({run.name for run in ALL}) == len(ALL)
    assert all((ROOT / run.config).is_file() for run in ALL)


def test_all_rows_of_a_seed_come_before_the_next_seed() -> None:
    for runs in (digits_runs(3), sweep_runs(3), cifar_runs('cifar', 3)):
        seeds = [run.seed for run in runs]
        assert seeds == sorted(seeds)


def test_sweeps_never_see_the_test_split(tmp_path) -> None:
    for run in [sweep_runs(1)[0], cifar_sweep_runs(1)[0]]:
        cfg = run_config(run, tmp_path, 'none')
        assert cfg.test_dataloader is None and cfg.test_evaluator is None
        assert "'split': 'test'" not in str(cfg.val_dataloader.to_dict())
        assert cfg.val_dataloader is not None
    assert {run.split for run in [*sweep_runs(), *cifar_sweep_runs()]} == {'val'}


def test_sweep_covers_the_asked_ranges() -> None:
    factors = [run.factors for run in sweep_runs(1)]
    for method in ('RCL', 'RCL standalone'):
        own = [f for f in factors if f['method'] == method]
        assert {f['sharpness'] for f in own} == set(SHARPNESS) and {2, 10, 50} <= set(SHARPNESS)
        assert {f['prior_power'] for f in own} == {0.0, 0.5, 1.0, 1.5}
    assert len({f['con_weight'] for f in factors if f['method'] == 'RCL'}) >= 4


@pytest.mark.parametrize('sharpness', SHARPNESS)
def test_feature_scale(sharpness) -> None:
    assert feature_scale(sharpness) ** 2 / 0.1 == pytest.approx(sharpness, rel=1e-3)


def test_sweep_sets_what_its_factors_say() -> None:
    for run in sweep_runs(1)[::6]:
        loss = loss_of(run)
        assert loss.feature_scale**2 / loss.temperature == pytest.approx(
            run.factors['sharpness'], rel=1e-3
        )
        assert loss.prior_power == run.factors['prior_power']
        assert loss.con_weight == run.factors['con_weight']


def test_rows_are_the_methods_of_the_ablation() -> None:
    """gamma, class averaging, class complement and alpha of METHOD's table."""
    table = {
        'SupCon': (0, False, None, 1),
        '+ class averaging': (0, True, None, 1),
        'BCL': (0, True, 'projected', 1),
        'BCL + rebalanced': (1, True, 'projected', 1),
        'RCL': (1, True, 'projected', 1),
        'BCL standalone': (0, True, 'learnable', 0),
        'RCL standalone': (1, True, 'learnable', 0),
    }
    runs = {run.factors['method']: run for run in digits_runs(1)}
    for method, (gamma, averaging, complement, alpha) in table.items():
        cfg = Config.fromfile(ROOT / runs[method].config)
        cfg.merge_from_dict(runs[method].options)
        head, loss = cfg.model.head, cfg.model.head.loss
        assert loss.get('prior_power', 1.0) == gamma, method
        assert loss.get('class_averaging', True) == averaging, method
        assert head.get('prototypes', 'projected') == complement, method
        assert loss.get('cls_weight', 1.0) == alpha, method
    assert loss_of(runs['BCL + rebalanced']).feature_scale == 1.0


def test_rows_differ_in_the_method_alone() -> None:
    """Same images, order, augmentation, schedule: everything but the head and its views' use."""
    texts = set()
    for run in digits_runs(1):
        if run.factors['imbalance_type'] == 'exp' and run.factors['imbalance_factor'] == 50:
            cfg = Config.fromfile(ROOT / run.config)
            cfg.merge_from_dict(run.options)
            cfg.model.pop('head')
            cfg.model.data_preprocessor.pop('repeat_samples', None)
            texts.add(str(cfg.to_dict()))
    assert len(texts) == 1


def test_cifar_rows_differ_in_the_method_alone() -> None:
    for part in CIFAR_RECIPES:
        texts = set()
        for run in cifar_runs(part, 1):
            cfg = Config.fromfile(ROOT / run.config)
            cfg.merge_from_dict(run.options)
            cfg.model.pop('head')
            cfg.model.data_preprocessor.pop('view_augments')
            texts.add(str(cfg.to_dict()))
        assert len(texts) == 1, part


def test_options_of_a_row_come_last() -> None:
    extra = {'RCL': {'model.head.loss.feature_scale': 3.0}}
    for run in digits_runs(1, extra=extra):
        changed = run.options.get('model.head.loss.feature_scale') == 3.0
        assert changed == (run.factors['method'] == 'RCL')
    assert {r.factors['method'] for r in cifar_runs('cifar', 1, ['BCL'])} == {'BCL'}


def test_folder_names() -> None:
    slugs = [slug(method) for method in [*DIGITS_METHODS, *CIFAR_METHODS]]
    assert len(set(slugs)) == len({*DIGITS_METHODS, *CIFAR_METHODS})
    assert all(s.replace('_', '').replace('-', '').isalnum() or '+' in s for s in slugs)
