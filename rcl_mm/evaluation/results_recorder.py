"""Records a test run for ``results.json`` and the report, while the other metrics run."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.registry import METRICS
from mmengine.runner import Runner
from torch import Tensor

from rcl_mm.class_counts import CountsSource, shot_groups
from rcl_mm.errors import InputError
from rcl_mm.evaluation.class_accuracy import check_labels
from rcl_mm.evaluation.example_images import choose_examples, load_thumbnails
from rcl_mm.evaluation.feature_accumulator import SPACES, FeatureAccumulator, stack_features
from rcl_mm.evaluation.feature_space import FeatureSpace
from rcl_mm.evaluation.feature_statistics import class_geometry
from rcl_mm.evaluation.long_tail_metric import LongTailMetric
from rcl_mm.evaluation.results import JSON_NAME, Results, write_results
from rcl_mm.evaluation.sample_reservoir import SampleReservoir
from rcl_mm.evaluation.shot_groups_mixin import ShotGroupsMixin
from rcl_mm.evaluation.streaming_metric import StreamingMetric
from rcl_mm.runtime.provenance import provenance

MAP_CLASSES = 30
MAP_SAMPLES = 1500
MAP_SAMPLES_PER_CLASS = 150


@METRICS.register_module()
class ResultsRecorder(ShotGroupsMixin, StreamingMetric):
    """Keeps, of each test image, its labels, confidence and margin, and sums of its features.

    It adds no metric; after ``evaluate`` :attr:`results_of_test` holds a :class:`Results` on the
    first rank. ``tools/test.py`` appends one to the evaluator by :func:`record_results`.

    Args:
        class_counts (Sequence[int] | str | None): As in LongTailMetric. Defaults to ``'auto'``.
        many (int): Classes with more training images are many-shot. Defaults to 100.
        few (int): Classes with fewer training images are few-shot. Defaults to 20.
        spaces (Sequence[str]): Feature spaces to record, as far as the head has them. Defaults to
            ``('feature', 'embedding')``.
    """

    default_prefix: Optional[str] = 'results'

    def __init__(
        self,
        class_counts: Optional[CountsSource] = 'auto',
        many: int = 100,
        few: int = 20,
        spaces: Sequence[str] = SPACES,
    ) -> None:
        super().__init__()
        self._set_groups(class_counts, many, few)
        self.needed_spaces = tuple(spaces)
        self.results_of_test: Optional[Results] = None
        self._num_classes: Optional[int] = None
        self.reset()

    def reset(self) -> None:
        """Forget all samples, not the finished results."""
        self._rows: List[np.ndarray] = []
        self._spaces: Dict[str, Tuple[FeatureAccumulator, SampleReservoir]] = {}
        self._unsupported: Optional[str] = None

    def accumulate(self, data_samples: Sequence[dict], positions: np.ndarray) -> None:
        """Record predicted samples; data without one label per image is noted, not recorded."""
        labels = [sample.get('gt_label') for sample in data_samples]
        if any(label is None or label.numel() != 1 for label in labels):
            self._unsupported = 'the test set has no single label per image'
        elif 'pred_score' not in data_samples[0]:
            self._unsupported = 'the predictions have no pred_score'
        if self._unsupported:
            return
        target = torch.cat([label.reshape(1) for label in labels])
        scores = torch.stack([sample['pred_score'] for sample in data_samples]).float()
        self._num_classes = scores.shape[1]
        self._check_counts_fit(self._num_classes)
        check_labels(target.cpu(), self._num_classes, 'target')
        confidence, predicted = scores.max(dim=1)
        indices = [sample.get('sample_idx', p) for sample, p in zip(data_samples, positions)]
        columns = (target, predicted, confidence, score_margin(scores, target))
        rows = torch.stack([column.double() for column in columns], dim=1).cpu().numpy()
        self._rows.append(np.column_stack([positions, indices, rows]))
        for name in self.needed_spaces:
            features = stack_features(list(data_samples), name)
            if features is not None:
                accumulator, reservoir = self._space(name)
                accumulator.add(features, target, positions)
                reservoir.add(features, target.cpu().numpy(), positions)

    def summarise(self, size: int) -> Dict[str, float]:
        """Combine the ranks into :attr:`results_of_test`; no metrics."""
        gathered = all_gather_object((self._rows, self._unsupported, self._num_classes))
        unsupported = next((reason for _, reason, _ in gathered if reason), None)
        self._num_classes = next((number for *_, number in gathered if number), None)
        rows = [part for parts, *_ in gathered for part in parts]
        self.results_of_test = None
        if unsupported or not rows:
            self._say('unsupported', f'no results: {unsupported or "no sample was tested"}')
            return {}
        spaces, diagnostics = self._combine_spaces()
        table = np.concatenate(rows)
        table = table[np.argsort(table[:, 0], kind='stable')]
        classes = (self.dataset_meta or {}).get('classes')
        if not classes or len(classes) != self._num_classes:
            classes = [str(index) for index in range(self._num_classes)]
        self.results_of_test = Results(
            classes=[str(name) for name in classes],
            train_counts=self.class_counts,
            many=self.many,
            few=self.few,
            indices=table[:, 1].astype(np.int64),
            target=table[:, 2].astype(np.int64),
            predicted=table[:, 3].astype(np.int64),
            confidence=table[:, 4],
            margin=table[:, 5],
            spaces=spaces,
            diagnostics=diagnostics,
        )
        return {}

    def _space(self, name: str) -> Tuple[FeatureAccumulator, SampleReservoir]:
        if name not in self._spaces:
            chosen = classes_on_map(self._num_classes, self.class_counts, self.many, self.few)
            per_class = min(MAP_SAMPLES_PER_CLASS, MAP_SAMPLES // len(chosen))
            self._spaces[name] = (
                FeatureAccumulator(self._num_classes, num_samples=2048),
                SampleReservoir(per_class, per_class=True, classes=chosen),
            )
        return self._spaces[name]

    def _combine_spaces(self) -> Tuple[Dict[str, FeatureSpace], Dict[str, Dict[str, float]]]:
        """Class means, geometry and map samples of every space that any rank has."""
        spaces, diagnostics = {}, {}
        # The same order on every rank, or the collective calls would not match.
        names = sorted({name for part in all_gather_object(list(self._spaces)) for name in part})
        for name in names:
            accumulator, reservoir = self._space(name)
            accumulator.combine_ranks()
            reservoir.merge(all_gather_object(reservoir.state()))
            statistics, chosen = accumulator.statistics, reservoir.state()
            if not torch.isfinite(statistics.sums).all() or chosen is None:
                self._say(name, f'the {name}s are not finite, so they are not recorded')
                continue
            geometry = class_geometry(statistics.counts, statistics.sums)
            means = statistics.sums / statistics.counts.clamp(min=1).unsqueeze(1)
            spaces[name] = FeatureSpace(
                class_means=means.cpu().numpy().astype(_means_type(means)),
                compactness=geometry.compactness,
                angle_min=geometry.min_angle,
                map_features=unit_rows(chosen['features']).astype(np.float16),
                map_positions=chosen['positions'],
            )
            diagnostics[name] = accumulator.summary(self.class_counts, self.many, self.few)
        return {name: spaces[name] for name in SPACES if name in spaces}, diagnostics


def record_results(runner: Runner, features: bool = True) -> ResultsRecorder:
    """Append a recorder to the runner's test evaluator, with its LongTailMetric's groups.

    Args:
        runner (Runner): The runner of the test; with a FeatureCollectorHook for ``features``.
        features (bool): Record the feature spaces. They are then also part of what MMEngine's
            ``DumpResults`` would dump. Defaults to True.
    """
    spaces = SPACES if features else ()
    evaluator = runner.test_evaluator
    metric = next((one for one in evaluator.metrics if isinstance(one, LongTailMetric)), None)
    recorder = ResultsRecorder(spaces=spaces)
    if metric is not None:
        counts = 'auto' if metric.takes_counts else metric.class_counts
        recorder = ResultsRecorder(counts, metric.many, metric.few, spaces)
    recorder.dataset_meta = evaluator.dataset_meta
    evaluator.metrics.append(recorder)
    return recorder


def save_results(
    recorder: ResultsRecorder,
    metrics: Dict[str, Any],
    dataset: Any,
    work_dir: Union[str, Path],
    checkpoint: str,
    out: Optional[Union[str, Path]] = None,
) -> Optional[Results]:
    """Write ``work_dir/results.json`` and ``.npz`` and, to ``out``, the same or a CSV table.

    Args:
        recorder (ResultsRecorder): The recorder after the test.
        metrics (dict): Metrics of the test.
        dataset: The test set, for example images.
        work_dir (str | Path): Where the report looks for the results.
        checkpoint (str): The tested checkpoint.
        out (str | Path, optional): A further file, ``*.json`` or ``*.csv``.

    Returns:
        Results, optional: What was written; None on other ranks, or without single-label data.

    Raises:
        InputError: If ``out`` is asked for and there is nothing to write.
    """
    results = recorder.results_of_test
    if not is_main_process():
        return None
    if results is None:
        if out is not None:
            raise InputError(f'"{out}" was not written: per-class results need one label per image')
        return None
    results.metrics = {name: float(value) for name, value in metrics.items()}
    results.run = {**provenance(), 'checkpoint': str(checkpoint)}
    positions = [p for example in choose_examples(results) for p in example.positions]
    results.thumbnails = load_thumbnails(dataset, results.indices, positions)
    write_results(Path(work_dir) / JSON_NAME, results)
    if out is not None and Path(out).resolve() != (Path(work_dir) / JSON_NAME).resolve():
        write_results(out, results)
    return results


def score_margin(scores: Tensor, target: Tensor) -> Tensor:
    """Class score of the true class minus the best other one, from softmax probabilities.

    The logarithm of a ratio of probabilities is the difference of the scores before softmax.

    Args:
        scores (Tensor): Probabilities, shape (N, C).
        target (Tensor): True labels, shape (N, ).

    Returns:
        Tensor: Margins, shape (N, ); NaN with a single class.
    """
    if scores.shape[1] < 2:
        return torch.full(target.shape, torch.nan, device=scores.device)
    logarithm = scores.clamp(min=torch.finfo(torch.float32).tiny).log()
    true = logarithm.gather(1, target.unsqueeze(1))
    others = logarithm.scatter(1, target.unsqueeze(1), -torch.inf)
    return true.squeeze(1) - others.amax(dim=1)


def classes_on_map(
    num_classes: int, class_counts: Optional[np.ndarray], many: int, few: int
) -> np.ndarray:
    """At most 30 classes for a readable map: as many of each shot group, evenly by frequency."""
    if num_classes <= MAP_CLASSES:
        return np.arange(num_classes)
    if class_counts is None:
        return np.unique(np.linspace(0, num_classes - 1, MAP_CLASSES).round().astype(np.int64))
    groups = [g for g in shot_groups(class_counts, many, few).values() if len(g)]
    chosen = []
    for members in groups:
        by_count = members[np.argsort(-np.asarray(class_counts)[members], kind='stable')]
        picks = np.linspace(0, len(by_count) - 1, MAP_CLASSES // len(groups)).round()
        chosen.append(by_count[np.unique(picks.astype(np.int64))])
    return np.sort(np.concatenate(chosen))


def _means_type(means: Tensor) -> type:
    """float32, or float16 where class means would take more than 16 MB."""
    return np.float32 if means.numel() <= 2**22 else np.float16


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length, so that float16 holds them."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)
