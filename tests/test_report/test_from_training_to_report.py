"""Real runs through train, test and report: every part leaves what the next one needs."""

import json
import pickle
from pathlib import Path

import pytest

from rcl_mm.cli.launch import main
from rcl_mm.evaluation import read_results
from rcl_mm.report.report import write_report

REPOSITORY = Path(__file__).resolve().parents[2]
CHANGES = """
train_dataloader = dict(batch_size=64, num_workers=0, persistent_workers=False)
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=2))
val_evaluator = [dict(type='LongTailMetric'), dict(type='FeatureSpaceMetric')]
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """RCL and cross-entropy, trained for an epoch and tested; the tests only read them."""
    folder = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as patch:
        for name in ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'LOCAL_RANK'):
            patch.delenv(name, raising=False)
        for method in ('rcl', 'cross_entropy'):
            config = folder / f'{method}.py'
            base = REPOSITORY / f'configs/{method}/resnet8_digits_lt.py'
            config.write_text(f'_base_ = {str(base)!r}\n{CHANGES}')
            work_dir = str(folder / method)
            # MMEngine keeps loggers by name and second: each run in a process needs its own.
            name = ['--cfg-options', f'experiment_name=analysis_{method}']
            assert main('train', [str(config), '--work-dir', work_dir, *name]) == 0
            checkpoint = f'{work_dir}/epoch_1.pth'
            out = ['--out', str(folder / f'{method}.csv')]
            name[-1] += '_test'
            assert main('test', [str(config), checkpoint, '--work-dir', work_dir, *out, *name]) == 0
    return folder


class TestRuns:
    def test_training__log__losses_and_similarities(self, runs):
        (log,) = (
            path
            for path in (runs / 'rcl').glob('*/vis_data/scalars.json')
            if 'loss_con' in path.read_text()
        )
        first = json.loads(log.read_text().splitlines()[0])
        assert {'loss', 'loss_cls', 'loss_con', 'anchors_with_positives'} <= set(first)
        assert -1 <= first['negative_similarity'] <= first['positive_similarity'] <= 1
        assert json.loads((log.parents[1] / 'run.json').read_text())['versions']['rcl_mm']

    def test_validation__log__feature_space_by_group(self, runs):
        logs = [path.read_text() for path in runs.glob('*/*/vis_data/scalars.json')]
        validated = [log for log in logs if 'feature_space/compactness' in log]
        assert len(validated) == 2
        record = json.loads(validated[0].splitlines()[-1])
        assert {'feature_space/nc1_few', 'feature_space/angle_min_many'} <= set(record)
        assert 'long_tail/few' in record

    def test_test__results__of_every_image(self, runs):
        for method, spaces in (('rcl', ['feature', 'embedding']), ('cross_entropy', ['feature'])):
            results = read_results(runs / method)
            assert len(results.target) == 500 and list(results.spaces) == spaces
            assert results.train_counts.tolist() == [104, 67, 43, 28, 18, 11, 7, 4, 3, 2]
            assert results.metrics.keys() >= {'long_tail/top1', 'long_tail/few', 'long_tail/ece'}
            assert all(image.shape == (32, 32, 3) for image in results.thumbnails.values())
            assert (runs / f'{method}.csv').read_text().count('\n') == 11

    def test_report__of_both__complete(self, runs, tmp_path, monkeypatch):
        monkeypatch.setattr(
            'rcl_mm.report.figures_features.map_coordinates', lambda features: features[:, :2]
        )
        page = write_report(
            [str(runs / 'rcl'), str(runs / 'cross_entropy')], tmp_path / 'report'
        ).read_text()
        assert 'class="notes"' not in page
        for words in ('rcl against cross_entropy', 'model.head.type', 'id="comparison"'):
            assert words in page

    def test_test__predictions__hold_no_features(self, runs):
        out = runs / 'predictions.pkl'
        arguments = [str(runs / 'rcl.py'), str(runs / 'rcl/epoch_1.pth'), '--out', str(out)]
        arguments += ['--work-dir', str(runs / 'again'), '--cfg-options', 'experiment_name=again']
        assert main('test', arguments) == 0
        with out.open('rb') as file:
            predictions = pickle.load(file)
        assert len(predictions) == 500
        assert {'pred_score', 'gt_label'} <= set(predictions[0])
        assert not {'feature', 'embedding'} & set(predictions[0])
