"""The reservoir keeps the same bounded choice whatever the batches and the ranks."""

import numpy as np
import torch

from rcl_mm.augment.draws import splitmix64
from rcl_mm.evaluation.sample_reservoir import SampleReservoir


def stream(num_samples=1000, num_classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num_samples, 3, generator=generator)
    labels = torch.randint(0, num_classes, (num_samples,), generator=generator).numpy()
    return features, labels, np.arange(num_samples)


def fill(reservoir, features, labels, positions, batch):
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        reservoir.add(features[part], labels[part], positions[part])
    return reservoir.state()


class TestSampleReservoir:
    def test_state__any_batch_size__samples_with_the_smallest_keys(self):
        features, labels, positions = stream()
        expected = np.argsort(splitmix64(positions))[:50]
        for batch in (1, 7, 64, 1000):
            state = fill(SampleReservoir(50), features, labels, positions, batch)
            assert state['positions'].tolist() == expected.tolist()
            np.testing.assert_array_equal(state['features'], features[expected].numpy())
            np.testing.assert_array_equal(state['labels'], labels[expected])

    def test_state__per_class__so_many_of_each_chosen_class(self):
        features, labels, positions = stream()
        chosen = np.array([1, 4, 6])
        for batch in (5, 1000):
            reservoir = SampleReservoir(20, per_class=True, classes=chosen)
            state = fill(reservoir, features, labels, positions, batch)
            assert np.bincount(state['labels'], minlength=7).tolist() == [0, 20, 0, 0, 20, 0, 20]
            for label in chosen:
                of_class = positions[labels == label]
                expected = of_class[np.argsort(splitmix64(of_class))[:20]]
                found = state['positions'][state['labels'] == label]
                assert sorted(found) == sorted(expected)

    def test_merge__parts_of_three_ranks__equals_the_whole(self):
        features, labels, positions = stream()
        whole = fill(SampleReservoir(64), features, labels, positions, 100)
        parts = []
        for rank in range(3):
            mine = slice(rank, None, 3)
            parts.append(
                fill(SampleReservoir(64), features[mine], labels[mine], positions[mine], 50)
            )
        merged = SampleReservoir(64)
        merged.merge([*parts, None])
        assert merged.state()['positions'].tolist() == whole['positions'].tolist()

    def test_add__long_stream__memory_is_bounded(self):
        reservoir = SampleReservoir(10)
        for start in range(0, 20000, 100):
            positions = np.arange(start, start + 100)
            reservoir.add(torch.zeros(100, 2), np.zeros(100, dtype=int), positions)
            assert sum(len(part['labels']) for part in reservoir._parts) <= 10 + 256 + 100

    def test_state__nothing_offered__none(self):
        assert SampleReservoir(3).state() is None
