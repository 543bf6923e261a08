"""How long-tailed a training set is, and what is wrong with it, before any training starts."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
from matplotlib.ticker import StrMethodFormatter
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from rcl_mm.class_counts import dataset_labels, gini, imbalance_factor, shot_groups
from rcl_mm.datasets.distinct_images import distinct_samples
from rcl_mm.engine.hooks.class_names import class_names_of, difference
from rcl_mm.errors import InputError
from rcl_mm.evaluation.class_accuracy import GROUPS, class_number, name_classes
from rcl_mm.evaluation.long_tail_metric import LongTailMetric
from rcl_mm.report.figure_style import GROUP_COLOURS, Panel, draw_panel, legend
from rcl_mm.report.fonts import printable
from rcl_mm.runtime.config_types import is_type
from rcl_mm.runtime.errors import writing
from rcl_mm.text_files import ANY_NAME


@dataclass
class DataSummary:
    """Class frequencies of a training set.

    Attributes:
        classes (list[str]): Class names, C of them.
        counts (np.ndarray): Distinct training images per class, shape (C, ).
        many (int): Classes with more images are many-shot.
        few (int): Classes with fewer images are few-shot.
        warnings (list[str]): What should be looked at before training.
        held_out (dict[str, np.ndarray]): Images per class of 'val' and 'test', as far as there are.
        drawn (np.ndarray, optional): Training images per class that an epoch draws, if wrappers
            such as RepeatDataset make that another number, shape (C, ).
    """

    classes: List[str]
    counts: np.ndarray
    many: int
    few: int
    warnings: List[str] = field(default_factory=list)
    held_out: Dict[str, np.ndarray] = field(default_factory=dict)
    drawn: Optional[np.ndarray] = None

    @property
    def groups(self) -> Dict[str, np.ndarray]:
        """Class indices of each shot group; empty classes are not few-shot but none at all."""
        groups = shot_groups(self.counts, self.many, self.few)
        return {name: members[self.counts[members] > 0] for name, members in groups.items()}

    @property
    def imbalance_factor(self) -> float:
        """Images of the largest over those of the smallest class that has any."""
        return imbalance_factor(self.counts)

    @property
    def gini(self) -> float:
        """Gini coefficient of the class counts: 0 is balanced, 1 - 1/C all in one class."""
        return gini(self.counts)


def inspect_config(config: Union[str, Path, Config]) -> DataSummary:
    """Build the data sets of a config, without reading images, and look at their labels.

    Args:
        config (str | Path | Config): A config with ``train_dataloader``.

    Raises:
        FileNotFoundError: If the config file does not exist.
        InputError: If it has no training set, or the set has no label at all.
    """
    if not isinstance(config, Config):
        if not Path(config).is_file():
            raise FileNotFoundError(f'config "{config}" does not exist: give a config file')
        config = Config.fromfile(str(config))
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    if not (config.get('train_dataloader') or {}).get('dataset'):
        raise InputError(f'{config.filename} has no train_dataloader.dataset: nothing to inspect')
    many, few = _thresholds(config)
    dataset, labels, warnings = _labels(config.train_dataloader.dataset, 'training')
    if labels is None or not (labels >= 0).any():
        raise InputError(' '.join(warnings) or 'the training set has no labels')
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    head_classes = _head_classes(config)
    size = len(names) if names else max(int(labels.max()) + 1, head_classes or 0)
    classes = [str(name) for name in (names or range(size))]
    valid = (labels >= 0) & (labels < size)
    if not valid.all():
        wrong = labels[~valid]
        warnings.append(
            f'{len(wrong)} training images have labels outside 0..{size - 1}, such as {wrong[0]}.'
        )
    drawn = np.bincount(labels[valid], minlength=size)
    distinct = distinct_samples(dataset, labels)
    images = np.bincount(labels[distinct][valid[distinct]], minlength=size)
    summary = DataSummary(classes, images, many, few, warnings)
    if (drawn != images).any():
        summary.drawn = drawn
    _warn_of_training_set(summary, head_classes)
    for split in ('val', 'test'):
        if (config.get(f'{split}_dataloader') or {}).get('dataset'):
            _warn_of_held_out(summary, config[f'{split}_dataloader'].dataset, split)
    return summary


def _labels(config: Any, name: str) -> Tuple[Any, Optional[np.ndarray], List[str]]:
    """Data set, its labels (-1 where one is missing) and warnings."""
    dataset = DATASETS.build(config)
    warnings = []
    try:
        labels = dataset_labels(dataset)
    except (KeyError, TypeError, ValueError) as error:
        labels = _label_by_label(dataset)
        if labels is None or not (labels >= 0).any():
            return dataset, None, [f'The {name} set has no labels that can be read: {error}.']
    missing = int((labels < 0).sum())
    if missing:
        warnings.append(f'{missing} of {len(labels)} {name} images have no label.')
    if not len(labels):
        warnings.append(f'The {name} set is empty.')
    return dataset, labels, warnings


def _label_by_label(dataset: Any) -> Optional[np.ndarray]:
    """Labels of a set some of whose samples have none, -1 for those."""
    if not hasattr(dataset, 'get_data_info'):
        return None
    labels = [dataset.get_data_info(index).get('gt_label') for index in range(len(dataset))]
    return np.array([-1 if label is None else int(label) for label in labels], dtype=np.int64)


def _warn_of_training_set(summary: DataSummary, head_classes: Optional[int]) -> None:
    empty = np.flatnonzero(summary.counts == 0)
    if len(empty):
        summary.warnings.append(
            f'{class_number(len(empty))} of {len(summary.counts)} without a training image: '
            f'{name_classes(empty, summary.classes)}.'
        )
    single = np.flatnonzero(summary.counts == 1)
    if len(single):
        summary.warnings.append(
            f'{class_number(len(single))} with a single training image, so never another image '
            f'as a positive: {name_classes(single, summary.classes)}.'
        )
    if head_classes and head_classes != len(summary.counts):
        summary.warnings.append(
            f'model.head.num_classes is {head_classes}, but the training set has '
            f'{class_number(len(summary.counts))}.'
        )


def _warn_of_held_out(summary: DataSummary, config: Any, split: str) -> None:
    size = len(summary.counts)
    try:
        dataset, labels, warnings = _labels(config, split)
    except (OSError, KeyError, TypeError, ValueError) as error:
        summary.warnings.append(f'The {split} set can not be built: {error}')
        return
    summary.warnings += warnings
    if labels is None:
        return
    names = class_names_of(dataset)
    found = difference(names, summary.classes, f'{split} set') if names else None
    if found is not None:
        summary.warnings.append(f'{found[0].upper()}{found[1:]}: its labels are of other classes.')
        return
    labels = labels[distinct_samples(dataset, labels)]
    valid = labels[(labels >= 0) & (labels < size)]
    if (labels >= size).any():
        summary.warnings.append(
            f'{int((labels >= size).sum())} {split} images have labels of {size} or more, which '
            'the training set does not know.'
        )
    counts = np.bincount(valid, minlength=size)
    summary.held_out[split] = counts
    absent = np.flatnonzero((counts == 0) & (summary.counts > 0))
    if len(absent):
        summary.warnings.append(
            f'{class_number(len(absent))} without {split} images, so without an accuracy: '
            f'{name_classes(absent, summary.classes)}.'
        )


def _thresholds(config: Config) -> Tuple[int, int]:
    """Group borders of the config's LongTailMetric, or its defaults."""
    evaluators = config.get('test_evaluator') or config.get('val_evaluator') or []
    for one in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        if is_type(one, 'LongTailMetric'):
            return one.get('many', 100), one.get('few', 20)
    metric = LongTailMetric()
    return metric.many, metric.few


def _head_classes(config: Config) -> Optional[int]:
    return ((config.get('model') or {}).get('head') or {}).get('num_classes')


def summary_text(summary: DataSummary, shown: int = 5) -> str:
    """The summary for a terminal."""
    counts = summary.counts
    lines = [
        f'{counts.sum():,} training images of {class_number(len(counts))}: '
        f'{counts.max():,} in the largest class, {counts.min():,} in the smallest',
        f'imbalance factor {summary.imbalance_factor:.1f}, Gini coefficient {summary.gini:.3f}',
    ]
    if summary.drawn is not None:
        lines.append(
            f'an epoch draws {summary.drawn.sum():,} images, some several times, with an imbalance '
            f'factor of {imbalance_factor(summary.drawn):.1f}: the prior of the loss'
        )
    lines.append('')
    borders = {
        'many': f'> {summary.many}',
        'medium': f'{summary.few}-{summary.many}',
        'few': f'< {summary.few}',
    }
    lines.append(f'{"group":<8}{"images":>10}{"classes":>10}{"all images":>12}{"share":>8}')
    for name in GROUPS:
        members = summary.groups[name]
        total = counts[members].sum()
        share = 100 * total / counts.sum()
        lines.append(f'{name:<8}{borders[name]:>10}{len(members):>10}{total:>12,}{share:>7.1f}%')
    order = np.argsort(-counts, kind='stable')
    rows = list(order) if len(order) <= 2 * shown else [*order[:shown], None, *order[-shown:]]
    held_out = list(summary.held_out)
    lines += ['', f'{"train":>8}' + ''.join(f'{name:>8}' for name in held_out) + '  class']
    for index in rows:
        if index is None:
            lines.append(f'{"...":>8}')
            continue
        others = ''.join(f'{summary.held_out[name][index]:>8}' for name in held_out)
        lines.append(f'{counts[index]:>8}{others}  {summary.classes[index]}')
    lines.append('')
    lines += [f'warning: {warning}' for warning in summary.warnings] or ['no warnings']
    return '\n'.join(map(printable, lines))


def frequency_panel(summary: DataSummary) -> Panel:
    """Training images per class by falling frequency, coloured by group."""
    counts = np.sort(summary.counts)[::-1]
    rank = np.arange(1, len(counts) + 1)

    def draw(axes) -> None:
        for name, members in shot_groups(counts, summary.many, summary.few).items():
            if len(members):
                axes.fill_between(
                    np.append(rank[members] - 0.5, rank[members[-1]] + 0.5),
                    np.append(counts[members], counts[members[-1]]),
                    step='post',
                    color=GROUP_COLOURS[name],
                    label=f'{name}: {class_number(len(members))}',
                )
        for border in (summary.few, summary.many):
            axes.axhline(border, color='#999999', linewidth=0.8, linestyle=':')
        axes.set_yscale('symlog', linthresh=1)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(StrMethodFormatter('{x:,g}'))
        axes.set_xlabel('classes, most frequent first')
        axes.set_ylabel('training images')
        legend(axes)

    return draw_panel(
        'class_frequency',
        'Class frequency',
        f'Imbalance factor {summary.imbalance_factor:.1f}, Gini {summary.gini:.3f}.',
        f'Area chart: from {counts[0]} images of the most frequent to {counts[-1]} of the rarest '
        'class.',
        draw,
    )


def write_summary(summary: DataSummary, out: Union[str, Path]) -> List[Path]:
    """Write ``class_frequency.png`` and ``class_counts.csv``; returns their paths."""
    out = Path(out)
    with writing(out, 'made'):
        out.mkdir(parents=True, exist_ok=True)
    picture, table = out / 'class_frequency.png', out / 'class_counts.csv'
    picture.write_bytes(frequency_panel(summary).png)
    group_of = {int(index): name for name, members in summary.groups.items() for index in members}
    with table.open('w', newline='', encoding='utf-8', errors=ANY_NAME) as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'class', 'train', *summary.held_out, 'group'])
        for index, name in enumerate(summary.classes):
            held_out = [counts[index] for counts in summary.held_out.values()]
            row = [index, name, summary.counts[index], *held_out, group_of.get(index, 'none')]
            writer.writerow(row)
    return [picture, table]
