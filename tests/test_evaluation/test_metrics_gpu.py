"""On a GPU the metrics are those of the CPU; run by pytest -m gpu."""

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from rcl_mm.evaluation import ResultsRecorder

COUNTS = [300, 200, 60, 30, 8, 3]


def evaluate(device, dtype):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(500) % 6
    centres = torch.randn(6, 32, generator=generator)
    features = (centres[labels] + 0.3 * torch.randn(500, 32, generator=generator)).to(dtype)
    scores = (features.float() @ centres.T).softmax(1)
    recorder = ResultsRecorder(class_counts=COUNTS)
    metrics = [
        dict(type='LongTailMetric', class_counts=COUNTS),
        dict(type='FeatureSpaceMetric', class_counts=COUNTS, num_samples=200),
        recorder,
    ]
    evaluator = Evaluator(metrics)
    for start in range(0, 500, 64):
        batch = []
        for index in range(start, min(500, start + 64)):
            sample = DataSample().set_gt_label(int(labels[index])).set_pred_score(scores[index])
            sample.set_field(features[index], 'feature')
            batch.append(sample.to(device))
        evaluator.process(batch)
    return evaluator.evaluate(500), recorder.results_of_test


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_evaluate__on_a_gpu__equals_the_cpu(dtype):
    found, found_results = evaluate('cuda', dtype)
    expected, expected_results = evaluate('cpu', dtype)
    assert len(found) > 30 and found == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert (found_results.predicted == expected_results.predicted).all()
    assert found_results.diagnostics['feature'] == pytest.approx(
        expected_results.diagnostics['feature'], rel=1e-6, abs=1e-9
    )
