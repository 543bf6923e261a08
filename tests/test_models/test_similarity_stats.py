"""The log's similarity statistics against all pairs, one by one."""

import math

import torch
import torch.nn.functional as F

from rcl_mm.models.similarity_stats import similarity_stats


def test_against_all_pairs():
    images, views = 9, 2
    labels = torch.tensor([0, 0, 1, 2, 2, 2, 3, 5, 0]).repeat(views)
    u = F.normalize(
        torch.randn(views * images, 7, generator=torch.Generator().manual_seed(0)), dim=1
    )
    positive, negative = [], []
    for i in range(len(u)):
        for k in range(len(u)):
            if i != k:
                same = labels[i] == labels[k]
                (positive if same else negative).append(float(u[i].double() @ u[k].double()))
    stats = similarity_stats(u, labels, images)
    assert math.isclose(stats['positive_similarity'], sum(positive) / len(positive), abs_tol=1e-5)
    assert math.isclose(stats['negative_similarity'], sum(negative) / len(negative), abs_tol=1e-5)
    # Classes 0 and 2 have other images: 6 of 9 anchors.
    assert math.isclose(stats['anchors_with_positives'], 6 / 9, abs_tol=1e-6)
