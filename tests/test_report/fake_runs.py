"""Work dirs as a training and a test leave them, of any size, in a moment."""

import json
from pathlib import Path

import numpy as np

from rcl_mm.evaluation.feature_space import FeatureSpace
from rcl_mm.evaluation.results import Results, write_results

CONFIG = """default_scope = 'mmpretrain'
model = dict(
    head=dict(loss=dict(temperature=0.1, type='{loss}'), num_classes={classes}, type='{head}'),
    type='ImageClassifier')
train_cfg = dict(by_epoch=True, max_epochs={epochs})
randomness = dict(deterministic=False, seed={seed})
work_dir = '{work_dir}'
"""


def fake_results(num_classes=12, num_samples=600, seed=0, tail_bonus=0.0, dim=16, **changes):
    """Results of a classifier that is worse on rarer classes, unless ``tail_bonus`` helps."""
    rng = np.random.default_rng(seed)
    place = np.linspace(0, 1, num_classes)
    counts = (1280 * 0.004**place).astype(np.int64).clip(1)
    target = np.arange(num_samples) % num_classes
    chance = np.clip(0.9 - 0.7 * place + tail_bonus * place, 0.02, 0.98)
    hit = rng.random(num_samples) < chance[target]
    wrong = (target + 1 + (rng.random(num_samples) ** 3 * (num_classes - 1)).astype(int)) % (
        num_classes
    )
    margin = np.abs(rng.normal(1, 1, num_samples)) * np.where(hit, 1, -1)
    means = rng.normal(size=(num_classes, dim))
    means /= 1.3 * np.linalg.norm(means, axis=1, keepdims=True)
    shown = np.flatnonzero(np.isin(target, np.linspace(0, num_classes - 1, 12).astype(int)))[:600]
    features = means[target[shown]] + 0.05 * rng.normal(size=(len(shown), dim))
    space = FeatureSpace(
        class_means=means.astype(np.float16),
        compactness=rng.uniform(0.6, 0.9, num_classes) - 0.2 * place,
        angle_min=rng.uniform(30, 80, num_classes) - 10 * place,
        map_features=features.astype(np.float16),
        map_positions=shown,
    )
    image = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    values = dict(
        classes=[f'class {index}' for index in range(num_classes)],
        train_counts=counts,
        many=100,
        few=20,
        target=target,
        predicted=np.where(hit, target, wrong),
        confidence=rng.uniform(0.3, 1, num_samples),
        margin=margin,
        indices=np.arange(num_samples),
        spaces={'feature': space},
        diagnostics={'feature': {'compactness': 0.8, 'compactness_few': 0.7, 'nc1': 0.4}},
        metrics={'long_tail/top1': 100 * hit.mean()},
        run={
            'command': f'python tools/test.py config.py epoch_4.pth --seed {seed}',
            'checkpoint': 'epoch_4.pth',
            'time': '2026-01-01T00:00:00+00:00',
            'device': 'CPU',
            'versions': {'torch': '2.14.1'},
        },
        thumbnails={int(p): image for p in np.flatnonzero(~hit)[:60]},
    )
    values.update(changes)
    return Results(**values)


def fake_work_dir(
    folder: Path,
    loss='RCLLoss',
    head='RCLHead',
    epochs=4,
    reached=None,
    seed=0,
    results=True,
    timestamp='20260101_000000',
    **options,
):
    """Write a work dir; ``reached`` epochs of ``epochs``, with or without results of a test."""
    reached = epochs if reached is None else reached
    logs = folder / timestamp / 'vis_data'
    logs.mkdir(parents=True)
    records = []
    for epoch in range(1, reached + 1):
        for step in range(epoch * 10 - 9, epoch * 10 + 1):
            value = 2 / step**0.5
            record = {'lr': 0.1, 'loss': 1.3 * value, 'epoch': epoch, 'iter': step, 'step': step}
            if loss == 'RCLLoss':
                record.update(loss_cls=value, loss_con=0.3 * value, anchors_with_positives=0.9)
                record.update(positive_similarity=1 - value / 3, negative_similarity=value / 4)
            records.append(record)
        accuracy = {'top1': 60, 'balanced': 60, 'many': 80, 'medium': 50, 'few': 20}
        named = {f'long_tail/{k}': v * epoch / epochs for k, v in accuracy.items()}
        records.append({**named, 'data_time': 0.1, 'step': epoch})
    (logs / 'scalars.json').write_text('\n'.join(json.dumps(record) for record in records))
    made = None
    if results:
        made = fake_results(seed=seed, **options)
        write_results(folder / 'results.json', made)
    config = CONFIG.format(
        loss=loss,
        head=head,
        epochs=epochs,
        seed=seed,
        work_dir=folder,
        classes=made.num_classes if made else 12,
    )
    (logs / 'config.py').write_text(config)
    (logs.parent / 'run.json').write_text(
        json.dumps({'command': f'python tools/train.py config.py --seed {seed}', 'device': 'CPU'})
    )
    if reached:
        (folder / 'last_checkpoint').write_text(f'/gone/{folder.name}/epoch_{reached}.pth')
    return folder
