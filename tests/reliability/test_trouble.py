"""A full disk, losses and weights that are no numbers: a clear error, the last good one is kept."""

import json
import os
import resource
import shutil

import pytest
import torch

from rcl_mm.engine.hooks.resume import newest_whole_checkpoint

from .same_run import checkpoint_differences


def trouble(kind, at):
    return [
        'custom_hooks.1.stage=before_train_iter',
        f'custom_hooks.1.at={at}',
        f'custom_hooks.1.kind={kind}',
    ]


@pytest.fixture
def limit_of_files():
    """Put back what a full disk is imitated with."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)


class TestFullDisk:
    def test_last_good_checkpoint_is_kept__and_the_run_goes_on_with_space(
        self, train, project, capsys, limit_of_files
    ):
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        keep_one = 'default_hooks.checkpoint.max_keep_ckpts=1'
        assert train('straight', keep_one) == 0
        assert train('full', keep_one, *trouble('full_disk', at=7)) == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        error = capsys.readouterr().err
        assert 'epoch_2.pth' in error and 'no space left' in error and '--resume' in error
        assert 'Traceback' not in error
        assert newest_whole_checkpoint(str(project / 'full')).endswith('epoch_1.pth')
        assert not [name for name in os.listdir(project / 'full') if name.startswith('.')]
        assert train('full', keep_one, '--resume') == 0
        one, other = project / 'straight/epoch_4.pth', project / 'full/epoch_4.pth'
        assert checkpoint_differences(one, other) == []


class TestNonFinite:
    def test_loss__names_iteration_term_and_images(self, train, project, capsys):
        assert train('work', *trouble('nan_loss', at=7)) == 1
        error = capsys.readouterr().err
        assert 'error: iteration 8 (epoch 2): loss_cls is nan, loss_con is nan' in error
        assert 'images: sample ' in error and 'Traceback' not in error
        record = json.loads((project / 'work/non_finite_iter_8.json').read_text())
        assert len(record['images']) == 16
        assert newest_whole_checkpoint(str(project / 'work')).endswith('epoch_1.pth')

    def test_weight_that_no_loss_shows__is_not_saved(self, train, project, capsys):
        assert train('work', *trouble('nan_weight', at=7)) == 1
        error = capsys.readouterr().err
        assert 'running_mean is not finite, so no checkpoint is written' in error
        assert newest_whole_checkpoint(str(project / 'work')).endswith('epoch_1.pth')

    def test_weight_that_no_loss_shows__is_no_best_checkpoint_either(self, train, project, capsys):
        rarely = ['default_hooks.checkpoint.interval=10', *trouble('nan_weight', at=3)]
        assert train('work', *rarely) == 1
        assert 'running_mean is not finite' in capsys.readouterr().err
        assert not list((project / 'work').glob('best_*.pth'))


class TestCopiedFolder:
    def test_best_checkpoint_of_the_original__stays(self, train, project):
        """The checkpoint names it by its path; a better one in the copy must not remove it."""
        assert train('original') == 0
        shutil.copytree(project / 'original', project / 'copy')
        for path in (project / 'copy').glob('*.pth'):
            checkpoint = torch.load(path, weights_only=True)
            checkpoint['message_hub']['runtime_info']['best_score'] = -1.0
            torch.save(checkpoint, path)
        best = sorted(path.name for path in (project / 'original').glob('best_*.pth'))
        assert train('copy', '--resume', 'train_cfg.max_epochs=6') == 0
        assert sorted(path.name for path in (project / 'original').glob('best_*.pth')) == best
        # In the copy it is removed, as the run itself would have.
        assert len(list((project / 'copy').glob('best_*.pth'))) == 1
