"""Any MMPretrain classification config turned into RCL."""

import copy
import difflib
from typing import Any, List, NamedTuple, Optional

from mmengine.config import Config, ConfigDict

from rcl_mm.class_counts import CountsSource, inner_datasets, read_class_counts
from rcl_mm.conversion.errors import ConversionError
from rcl_mm.conversion.heads import convert_head
from rcl_mm.conversion.pipelines import multi_view_pipeline
from rcl_mm.evaluation.monitored_keys import (
    check_monitored_keys,
    evaluator_metrics,
    metric_keys,
    metric_prefix,
    monitors,
)
from rcl_mm.runtime.config_types import is_type, type_name, use_text_types

# Recipes of the field for the whole objective (BCL on ImageNet-LT).
DEFAULT_LOSS = dict(temperature=0.07, con_weight=0.35)
# Settings that all metrics share.
COLLECTION = ('collect_device', 'collect_dir')


class Conversion(NamedTuple):
    """The converted config, and what its user should know that the diff does not say."""

    config: Config
    notes: List[str]


def to_rcl(cfg: Config, **options: Any) -> Config:
    """Turn an MMPretrain classification config into RCL.

    The training pipeline gives three views of each image (two with ``views=2``), the data
    preprocessor stacks them, the head becomes RCLHead on the same features, Accuracy becomes
    LongTailMetric. All else stays as it is.

    Args:
        cfg (Config): Config of an ``ImageClassifier``; not changed.
        **options: See :func:`convert_config`.

    Returns:
        Config: The converted config.

    Raises:
        ConversionError: If the config cannot be converted; the message says why.

    Example:
        >>> import rcl_mm
        >>> from mmengine.config import Config
        >>> cfg = rcl_mm.to_rcl(Config.fromfile('resnet50_8xb32_in1k.py'))
        >>> cfg.model.head.type
        'RCLHead'
    """
    return convert_config(cfg, **options).config


def convert_config(
    cfg: Config,
    views: int = 3,
    drop_batch_augments: bool = False,
    class_counts: Optional[CountsSource] = None,
    head: Optional[dict] = None,
    loss: Optional[dict] = None,
) -> Conversion:
    """:func:`to_rcl` with notes.

    Args:
        cfg (Config): Config of an ``ImageClassifier``; not changed.
        views (int): 3 (BCL: one for the classifier, two for the contrastive branch) or 2 (both in
            both, a third less compute). Defaults to 3.
        drop_batch_augments (bool): Take mixup and cutmix out instead of refusing them. Defaults to
            False.
        class_counts (Sequence[int] | str, optional): Class counts for the loss. Defaults to the
            training set's.
        head (dict, optional): Arguments of RCLHead that win.
        loss (dict, optional): Arguments of RCLLoss that win.

    Raises:
        ConversionError: If the config cannot be converted.
        InputError: If ``class_counts`` are not one for each class.
    """
    if views not in (2, 3):
        raise ConversionError(f'views is {views}, allowed are 2 and 3')
    cfg = copy.deepcopy(cfg)
    use_text_types(cfg)
    # New names have no scope; MMPretrain's are found from its own.
    cfg.setdefault('default_scope', 'mmpretrain')
    _check_model(cfg)
    _check_hooks(cfg)
    notes = _take_out_batch_augments(cfg, drop_batch_augments)
    loss = {**DEFAULT_LOSS, **(loss or {})}
    converted = convert_head(cfg.model.head, head, **loss)
    notes += converted.notes
    if class_counts is not None:
        counts = read_class_counts(class_counts, converted.head.num_classes)
        converted.head.loss['class_counts'] = counts.tolist()
    _set_model(cfg, converted)
    notes += _convert_training_data(cfg, views)
    _convert_metrics(cfg)
    _register(cfg)
    notes.append(
        f'a batch of N images is {views} N rows for the backbone: lower '
        'train_dataloader.batch_size if memory runs out'
    )
    return Conversion(cfg, notes)


def config_diff(before: Config, after: Config, name: str = 'config') -> str:
    """Unified diff of two configs as text; empty if they are equal."""
    lines = difflib.unified_diff(
        before.pretty_text.splitlines(),
        after.pretty_text.splitlines(),
        f'{name} (before)',
        f'{name} (RCL)',
        lineterm='',
    )
    return '\n'.join(lines)


def _check_model(cfg: Config) -> None:
    model = cfg.get('model') or {}
    name = type_name(model)
    if name in ('TimmClassifier', 'HuggingFaceClassifier'):
        raise ConversionError(
            f'model: {name} has its head inside, RCLHead needs features: use ImageClassifier with '
            "backbone=dict(type='TIMMBackbone', ...)"
        )
    if name != 'ImageClassifier':
        raise ConversionError(
            f'model: {name} cannot be converted, only ImageClassifier: RCL learns from one label '
            'per image'
        )
    if not model.get('head'):
        raise ConversionError('model: it has no head, so there is nothing to train: add one')
    if not cfg.get('train_dataloader'):
        raise ConversionError('the config has no train_dataloader: it is not one for training')


def _check_hooks(cfg: Config) -> None:
    for hook in cfg.get('custom_hooks') or ():
        if is_type(hook, 'SwitchRecipeHook'):
            raise ConversionError(
                'custom_hooks: SwitchRecipeHook replaces the training pipeline during the run, and '
                'with it the views: take it out'
            )


def _take_out_batch_augments(cfg: Config, drop: bool) -> List[str]:
    """Mixup and cutmix make soft labels, which say nothing about who is a positive of whom."""
    places = [
        (cfg.model.get('train_cfg'), 'augments', 'model.train_cfg.augments'),
        (cfg.get('data_preprocessor'), 'batch_augments', 'data_preprocessor.batch_augments'),
        (cfg.model.get('data_preprocessor'), 'batch_augments', 'model.data_preprocessor'),
    ]
    notes = []
    for place, key, where in places:
        if not place or not place.get(key):
            continue
        augments = place[key]
        if isinstance(augments, dict):
            augments = augments.get('augments') or [augments]
        names = ', '.join(type_name(one) or str(one) for one in augments)
        if not drop:
            raise ConversionError(
                f'{where}: {names} gives soft labels of mixed images, the contrastive branch '
                'needs one class per image: take it out, or convert with drop_batch_augments '
                '(--drop-batch-augments)'
            )
        del place[key]
        notes.append(f'{names} taken out: the contrastive branch needs one class per image')
    if cfg.model.get('train_cfg') is not None and not cfg.model.train_cfg:
        cfg.model.train_cfg = None
    return notes


def _set_model(cfg: Config, converted) -> None:
    model = cfg.model
    model.head = converted.head
    if converted.necks:
        old = model.get('neck') or []
        model.neck = [*(old if isinstance(old, (list, tuple)) else [old]), *converted.necks]
    preprocessors = [
        one for one in (cfg.get('data_preprocessor'), model.get('data_preprocessor')) if one
    ]
    if not preprocessors:
        cfg.data_preprocessor = ConfigDict()
        preprocessors = [cfg.data_preprocessor]
    for preprocessor in preprocessors:
        name = type_name(preprocessor)
        if name not in (None, 'ClsDataPreprocessor', 'MultiViewDataPreprocessor'):
            raise ConversionError(
                f'data_preprocessor: {name} cannot be converted, only ClsDataPreprocessor: write '
                "data_preprocessor=dict(type='MultiViewDataPreprocessor', ...) yourself"
            )
        preprocessor['type'] = 'MultiViewDataPreprocessor'
        preprocessor.pop('to_onehot', None)


def _convert_training_data(cfg: Config, views: int) -> List[str]:
    loader = cfg.train_dataloader
    old_pipelines = []
    floats = False
    for dataset in inner_datasets(loader):
        if dataset.get('pipeline'):
            old_pipelines.append(copy.deepcopy(dataset['pipeline']))
            floats = floats or any(step.get('to_float32') for step in dataset['pipeline'])
            dataset['pipeline'] = multi_view_pipeline(dataset['pipeline'], views)
    if not old_pipelines:
        raise ConversionError('train_dataloader.dataset: it has no pipeline')
    if cfg.get('train_pipeline') in old_pipelines:
        cfg.train_pipeline = multi_view_pipeline(cfg.train_pipeline, views)
    if is_type(loader.get('sampler'), 'DefaultSampler'):
        # The same order of images, and augmentations that a resumed run repeats exactly.
        loader.sampler['type'] = 'ReproducibleSampler'
    if floats and views == 3:
        return ['images are loaded as 8 bits (to_float32 left out): augmentations change those']
    return []


def _convert_metrics(cfg: Config) -> None:
    """LongTailMetric in the place of Accuracy, and what watches Accuracy watches it.

    An Accuracy of which something else than the top-1 is watched stays beside it.
    """
    watched = {key for monitor in monitors(cfg) for key in monitor.keys}
    renamed = {}
    for name in ('val_evaluator', 'test_evaluator'):
        old = cfg.get(name)
        metrics = evaluator_metrics(old) if old else None
        if metrics is None:
            continue
        ours = [one for one in metrics if is_type(one, 'LongTailMetric')]
        ours = ours or [ConfigDict(type='LongTailMetric')]
        kept = []
        for metric in metrics:
            top1 = f'{metric_prefix(metric)}/top1'
            if is_type(metric, 'Accuracy') and not (metric_keys(metric) & watched) - {top1}:
                settings = {key: metric[key] for key in COLLECTION if key in metric}
                ours[0].update({**settings, **ours[0]})
                if name == 'val_evaluator':
                    renamed[top1] = f'{metric_prefix(ours[0])}/top1'
            elif not is_type(metric, 'LongTailMetric'):
                kept.append(metric)
        new = [*ours, *kept]
        if is_type(old, 'Evaluator'):
            old['metrics'] = new
        else:
            cfg[name] = new if len(new) > 1 else new[0]
    for monitor in monitors(cfg):
        keys = [renamed.get(key, key) for key in monitor.keys]
        several = isinstance(monitor.part.get(monitor.name), (list, tuple))
        monitor.part[monitor.name] = keys if several else keys[0]
    check_monitored_keys(cfg)


def _register(cfg: Config) -> None:
    """What makes the config work in any training script: the import and the hook."""
    imports = cfg.get('custom_imports') or ConfigDict(allow_failed_imports=False)
    names = imports.get('imports') or []
    names = [names] if isinstance(names, str) else list(names)
    if 'rcl_mm' not in names:
        imports['imports'] = [*names, 'rcl_mm']
    cfg.custom_imports = imports
    hooks = list(cfg.get('custom_hooks') or ())
    if not any(is_type(hook, 'ClassCountsHook') for hook in hooks):
        cfg.custom_hooks = [*hooks, ConfigDict(type='ClassCountsHook')]
