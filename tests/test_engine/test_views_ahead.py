"""Views of many batches in one pass: the same images, fewer passes, bounded memory."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from rcl_mm.datasets import DigitsLT, ReproducibleSampler
from rcl_mm.datasets.resident import ResidentDataset, resident_collate
from rcl_mm.engine.views_ahead import with_views_ahead
from rcl_mm.models import MultiViewDataPreprocessor
from rcl_mm.models.preprocessors import AHEAD_BYTES

CIFAR = [dict(type='CifarClsAugment')] + [dict(type='CifarSimAugment')] * 2
DIGITS = [dict(type='DigitsAugment')] * 2
PLENTY = 1 << 28


@pytest.fixture(scope='module')
def digits():
    """200 images 32x32."""
    return ResidentDataset(DigitsLT(split='val', pipeline=[]))


class Own(nn.Module):
    """A user's own augmentation."""

    def forward(self, images, draws, view):
        return images.float()


class Passes:
    """A model with the preprocessor; notes the batches of each pass."""

    def __init__(self, augments=CIFAR, ahead_bytes=PLENTY, device='cpu', **settings):
        preprocessor = MultiViewDataPreprocessor(
            mean=[127.5] * 3,
            std=[64] * 3,
            view_augments=augments,
            ahead_bytes=ahead_bytes,
            **settings,
        ).to(device)
        make_views, self.sizes = preprocessor.make_views, []

        def noting(batches):
            self.sizes.append([len(batch['inputs']) for batch in batches])
            return make_views(batches)

        preprocessor.make_views = noting
        self.data_preprocessor = preprocessor

    def train(self, loader, skip=0, left=None, epochs=1):
        """All inputs and samples that the training would get."""
        got = []
        for epoch in range(epochs):
            loader.sampler.set_epoch(epoch)
            loader.sampler.skip(skip * loader.batch_size)
            batches = with_views_ahead(iter(loader), loader, self, left)
            got += [self.data_preprocessor(batch, training=True) for batch in batches]
        return got


def make_loader(dataset, batch_size, collate_fn=resident_collate, **settings):
    sampler = ReproducibleSampler(dataset, seed=5)
    return DataLoader(dataset, batch_size, sampler=sampler, collate_fn=collate_fn, **settings)


def assert_same(one, other):
    assert len(one) == len(other)
    for first, second in zip(one, other):
        assert torch.equal(first['inputs'], second['inputs'])
        indices = [[s.sample_idx for s in batch['data_samples']] for batch in (first, second)]
        assert indices[0] == indices[1]
        labels = [[s.gt_label.tolist() for s in b['data_samples']] for b in (first, second)]
        assert labels[0] == labels[1]


class TestWithViewsAhead:
    @pytest.mark.parametrize('augments', [CIFAR, DIGITS], ids=['cifar', 'digits'])
    @pytest.mark.parametrize('batch_size, threads', [(16, 1), (16, 2), (48, 2), (96, 1)])
    def test_same_images__to_the_last_bit(self, digits, augments, batch_size, threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            ahead, alone = Passes(augments), Passes(augments, ahead_bytes=0)
            loader = make_loader(digits, batch_size)
            assert_same(ahead.train(loader, epochs=2), alone.train(loader, epochs=2))
        finally:
            torch.set_num_threads(before)
        assert len(ahead.sizes) < len(alone.sizes) or batch_size == 96
        assert all(len(block) == 1 for block in alone.sizes)

    def test_blocks__the_first_batch_and_a_smaller_one_are_alone(self, digits):
        passes = Passes()
        passes.train(make_loader(digits, 48))
        assert passes.sizes == [[48], [48] * 3, [8]]
        passes = Passes()
        passes.train(make_loader(digits, 48, drop_last=True))
        assert passes.sizes == [[48], [48] * 3]

    @pytest.mark.parametrize('workers', [0, 2])
    def test_skip__as_on_resuming_inside_an_epoch(self, digits, workers):
        loader = make_loader(digits, 16, num_workers=workers)
        whole = Passes(ahead_bytes=0).train(loader)
        assert_same(Passes().train(loader, skip=7), whole[7:])

    def test_left__no_more_is_read(self, digits):
        passes = Passes()
        assert len(passes.train(make_loader(digits, 16), left=6)) == 6
        assert passes.sizes == [[16], [16] * 5]

    def test_ranks__each_makes_the_views_of_its_own_samples(self, digits, monkeypatch):
        seen = []
        for rank in (0, 1):
            info = 'rcl_mm.datasets.samplers.get_dist_info'
            monkeypatch.setattr(info, lambda rank=rank: (rank, 2))
            loader = make_loader(digits, 16)
            got = Passes().train(loader)
            assert_same(got, Passes(ahead_bytes=0).train(loader))
            seen += [sample.sample_idx for batch in got for sample in batch['data_samples']]
        assert sorted(seen) == list(range(len(digits)))

    def test_a_pass_in_between__changes_nothing(self, digits):
        """Validation runs while a block is served."""
        loader, passes = make_loader(digits, 32), Passes()
        expected = passes.train(loader)
        batches = with_views_ahead(iter(loader), loader, passes)
        got = []
        for batch in batches:
            passes.data_preprocessor(next(iter(make_loader(digits, 32))), training=False)
            got.append(passes.data_preprocessor(batch, training=True))
        assert_same(got, expected)

    def test_memory__views_and_making_them_stay_within_the_bound(self, digits):
        bound, batch_size = 15 << 20, 16
        passes, loader = Passes(ahead_bytes=bound), make_loader(digits, batch_size)
        with torch.profiler.profile(profile_memory=True) as profile:
            batches = with_views_ahead(iter(loader), loader, passes)
            for batch in batches:
                del batch
        assert 2 < max(map(len, passes.sizes)) < 8
        events = profile.profiler.kineto_results.events()
        memory = [event for event in events if event.name() == '[memory]']
        now = peak = 0
        for event in sorted(memory, key=lambda event: event.start_ns()):
            now += event.nbytes()
            peak = max(peak, now)
        assert bound / 4 < peak <= bound

    def test_other_data_sets_and_models__pass_through(self, digits):
        loader = make_loader(digits, 16)
        batches = iter(loader)
        assert with_views_ahead(batches, loader, nn.Linear(1, 1)) is batches
        assert with_views_ahead(batches, loader, Passes(augments=None)) is batches
        other = SimpleNamespace(dataset=digits.dataset)
        assert with_views_ahead(batches, other, Passes()) is batches

    def test_without_draws__batch_by_batch(self, digits):
        """They come from torch's generator, in the order of the training."""
        loader = DataLoader(digits, 64, collate_fn=resident_collate)
        passes = Passes()
        torch.manual_seed(0)
        batches = list(with_views_ahead(iter(loader), loader, passes))
        assert len(batches) == len(loader) and all(len(sizes) == 1 for sizes in passes.sizes)

    @pytest.mark.parametrize(
        'batch_size, augments',
        [(50, CIFAR), (32, [Own()]), (32, [dict(type='SimAugment')])],
        ids=['size', 'own', 'images'],
    )
    def test_what_may_round_otherwise__batch_by_batch(self, digits, batch_size, augments):
        passes = Passes(augments)
        passes.train(make_loader(digits, batch_size))
        assert all(len(sizes) == 1 for sizes in passes.sizes)


class TestBatchesAhead:
    def batch(self, digits):
        return next(iter(make_loader(digits, 160)))

    def test_default__a_gibibyte_on_an_accelerator_none_on_a_cpu(self, digits, monkeypatch):
        preprocessor = MultiViewDataPreprocessor(view_augments=CIFAR)
        made = preprocessor.make_views([self.batch(digits)])[0]
        assert preprocessor.batches_ahead(made) == 1
        monkeypatch.setattr(preprocessor, '_device', torch.device('cuda'))
        # Three views in two blocks, and eight for what making one takes.
        assert preprocessor.batches_ahead(made) == AHEAD_BYTES // (14 * 160 * 3 * 32 * 32 * 4) == 39

    def test_bad_argument(self):
        with pytest.raises(ValueError, match='ahead_bytes is -1, allowed is 0 or more'):
            MultiViewDataPreprocessor(ahead_bytes=-1)


@pytest.mark.gpu
@pytest.mark.parametrize('augments', [CIFAR, DIGITS], ids=['cifar', 'digits'])
@pytest.mark.parametrize('batch_size', [16, 48, 64])
@pytest.mark.parametrize('tf32', [False, True])
def test_gpu__same_images_to_the_last_bit(digits, augments, batch_size, tf32, monkeypatch):
    monkeypatch.setattr(torch.backends.cuda.matmul, 'allow_tf32', tf32)
    loader = make_loader(digits, batch_size)
    ahead = Passes(augments, ahead_bytes=None, device='cuda')
    alone = Passes(augments, ahead_bytes=0, device='cuda')
    assert_same(ahead.train(loader, epochs=2), alone.train(loader, epochs=2))
    assert len(ahead.sizes) < len(alone.sizes)
