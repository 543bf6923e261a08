"""ReproducibleMultiView and ReproducibleView: seeded by (draw, view), blind to the worker."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmpretrain.datasets.transforms import MultiView
from mmpretrain.registry import TRANSFORMS
from torch.utils.data import DataLoader

from rcl_mm.augment.draws import DrawIndex
from rcl_mm.datasets import (
    DigitsLT,
    LongTailedDataset,
    ReproducibleMultiView,
    ReproducibleSampler,
    ReproducibleView,
)


def draw_from_all_generators(results):
    """A transform that spends random numbers of all three libraries."""
    results['img'] = np.array([random.random(), np.random.rand(), float(torch.rand(()))])
    return results


def ambient_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def image(height=40, width=30):
    return np.random.RandomState(0).randint(0, 256, (height, width, 3), dtype=np.uint8)


class TestSeeding:
    def views(self, draw, num_views=3):
        transform = ReproducibleMultiView([[draw_from_all_generators]], num_views)
        return transform(dict(sample_idx=DrawIndex(0, draw)))['img']

    def test_same_draw_same_views_whatever_the_ambient_state(self):
        first = self.views(7)
        random.random(), np.random.rand(5), torch.rand(5)
        np.testing.assert_array_equal(first, self.views(7))

    def test_views_and_draws_differ_in_every_generator(self):
        values = np.array([self.views(draw) for draw in (7, 8, 7 + 2**40)]).reshape(-1, 3)
        for generator in range(3):
            assert len(set(values[:, generator])) == 9

    def test_a_view_does_not_depend_on_the_number_of_views(self):
        np.testing.assert_array_equal(self.views(7, 3)[:2], self.views(7, 2))

    def test_single_view_is_the_same_view(self):
        for view in (0, 2):
            single = ReproducibleView([draw_from_all_generators], view=view)
            result = single(dict(sample_idx=DrawIndex(0, 7)))['img']
            np.testing.assert_array_equal(result, self.views(7)[view])

    @pytest.mark.parametrize(
        'transform',
        [
            ReproducibleMultiView([[draw_from_all_generators]], 2),
            ReproducibleView([draw_from_all_generators]),
        ],
    )
    def test_ambient_state_is_given_back(self, transform):
        before = ambient_states()
        transform(dict(sample_idx=DrawIndex(0, 7)))
        assert ambient_states() == before

    def test_ambient_state_is_given_back_after_an_error(self):
        def fail(results):
            np.random.rand()
            raise OSError('unreadable')

        before = ambient_states()
        with pytest.raises(OSError):
            ReproducibleMultiView([[fail]], 2)(dict(sample_idx=DrawIndex(0, 7)))
        assert ambient_states() == before

    def test_without_a_draw_the_ambient_state_is_used(self):
        transform = ReproducibleMultiView([[draw_from_all_generators]], 2)
        outcomes = []
        for _ in range(2):
            random.seed(1), np.random.seed(1), torch.manual_seed(1)
            outcomes.append(transform(dict(sample_idx=3))['img'])
        np.testing.assert_array_equal(outcomes[0], outcomes[1])
        assert not np.array_equal(outcomes[0], transform(dict(sample_idx=3))['img'])


class TestMultiView:
    PIPELINES = [
        [dict(type='RandomCrop', crop_size=16), dict(type='RandomFlip', prob=0.5)],
        [dict(type='RandomResizedCrop', scale=16), dict(type='RandomGrayscale', prob=0.5)],
    ]

    def test_equals_mmpretrains_multiview_without_a_draw(self):
        results = []
        for cls in (MultiView, ReproducibleMultiView):
            pipelines = [[TRANSFORMS.build(dict(t)) for t in p] for p in self.PIPELINES]
            np.random.seed(1), random.seed(1)
            transform = cls(transforms=pipelines, num_views=[1, 2])
            results.append(transform(dict(img=image(), gt_label=3))['img'])
        assert len(results[0]) == len(results[1]) == 3
        for a, b in zip(*results):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize('writer_first', [True, False])
    def test_views_do_not_write_into_each_other(self, writer_first):
        def blacken(results):
            results['img'][:] = 0
            results['mask'].append(1)
            return results

        def look(results):
            assert results['mask'] == []
            return results

        pipelines = [[blacken], [look], [dict(type='RandomResizedCrop', scale=8), look]]
        if not writer_first:
            pipelines = pipelines[::-1]
        transform = ReproducibleMultiView(pipelines, [2, 1, 1])
        views = transform(dict(img=np.full((8, 8, 3), 9, np.uint8), mask=[]))['img']
        sums = sorted(int(v.sum()) for v in views)
        black = sums.count(0)
        assert black == (2 if writer_first else 1)
        assert all(s == 9 * 8 * 8 * 3 for s in sums[black:])

    def test_image_is_not_copied_for_resized_crops(self):
        seen = []

        class Spy(type(TRANSFORMS.build(dict(type='RandomResizedCrop', scale=8)))):
            def transform(self, results):
                seen.append(results['img'])
                return super().transform(results)

        original = image()
        ReproducibleMultiView([[Spy(scale=8)]], 3)(dict(img=original))
        assert len(seen) == 3 and all(img is original for img in seen)

    def test_none_from_a_view(self):
        transform = ReproducibleMultiView([[lambda results: None]], 2)
        assert transform(dict(img=image())) is None

    @pytest.mark.parametrize('num_views', [[1], [1, 0], [1, 2, 3]])
    def test_bad_num_views(self, num_views):
        with pytest.raises(ValueError, match='one number >= 1 for each'):
            ReproducibleMultiView(self.PIPELINES, num_views)

    def test_repr_names_the_parts(self):
        text = repr(ReproducibleMultiView(self.PIPELINES, [1, 2]))
        assert 'with 2 views' in text and 'RandomResizedCrop' in text
        assert 'RandomFlip' in repr(ReproducibleView(self.PIPELINES[0]))


class TestThroughTheLoader:
    """The promise itself: images follow from (seed, epoch, sample, view) alone."""

    def loader(self, num_workers, seed=3):
        pipeline = [
            dict(
                type='ReproducibleMultiView',
                num_views=2,
                transforms=[
                    [
                        dict(type='RandomResizedCrop', scale=16),
                        dict(type='RandomColorJitter', brightness=0.4),
                        dict(type='RandomFlip', prob=0.5),
                    ]
                ],
            ),
            dict(type='PackInputs'),
        ]
        dataset = LongTailedDataset(
            DigitsLT(split='train', img_max=8, pipeline=[TRANSFORMS.build(t) for t in pipeline]),
            imbalance_factor=4,
        )
        return DataLoader(
            dataset,
            batch_size=8,
            sampler=ReproducibleSampler(dataset, seed=seed),
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=default_collate,
        )

    def epochs(self, loader, epochs):
        outcome = []
        for epoch in epochs:
            loader.sampler.set_epoch(epoch)
            batches = list(loader)
            outcome.append([torch.cat([b['inputs'][v] for b in batches]) for v in range(2)])
        return outcome

    def test_any_number_of_workers(self):
        alone, shared = (self.epochs(self.loader(n), [0, 1]) for n in (0, 2))
        for a, b in zip(alone, shared):
            assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])

    def test_epochs_and_views_differ(self):
        (first, second), (later, _) = self.epochs(self.loader(0), [0, 1])
        assert not torch.equal(first, second) and not torch.equal(first, later)

    def test_resume__from_an_epoch_and_from_within_one(self):
        straight = self.epochs(self.loader(0), [0, 1, 2])
        resumed = self.epochs(self.loader(0), [2])
        assert torch.equal(straight[2][1], resumed[0][1])
        loader = self.loader(0)
        loader.sampler.set_epoch(2)
        loader.sampler.skip(8)
        rest = torch.cat([batch['inputs'][1] for batch in loader])
        assert torch.equal(straight[2][1][8:], rest)

    def test_draw_reaches_the_data_sample(self):
        batch = next(iter(self.loader(0)))
        draws = [sample.sample_idx.draw for sample in batch['data_samples']]
        assert len(set(draws)) == 8
