"""Augmentation parameters have the distributions of torchvision and timm.

Tolerances are five standard errors of the sample size, for fixed seeds.
"""

import random

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from scipy.stats import chisquare, ks_2samp
from timm.data import auto_augment

from rcl_mm.augment import params, policies

N = 4000


def uniform(n, k, seed=0):
    return np.random.default_rng(seed).random((n, k))


class TestResizedCropBoxes:
    @pytest.mark.parametrize('size, scale', [((32, 32), (0.2, 1)), ((375, 500), (0.08, 1))])
    def test_boxes__distribution_of_torchvision(self, size, scale):
        boxes = params.resized_crop_boxes(uniform(N, params.CROP_UNIFORMS), *size, scale)
        torch.manual_seed(0)
        image = torch.empty(3, *size)
        expected = np.array(
            [T.RandomResizedCrop.get_params(image, scale, (3 / 4, 4 / 3)) for _ in range(N)]
        )
        top, left, height, width = boxes.T
        assert (top >= 0).all() and (top + height <= size[0]).all()
        assert (left >= 0).all() and (left + width <= size[1]).all()
        for own, other in zip(boxes.T, expected.T):
            assert ks_2samp(own, other).pvalue > 1e-3
        assert ks_2samp(height * width, expected[:, 2] * expected[:, 3]).pvalue > 1e-3

    def test_boxes__central_fallback_of_torchvision(self):
        # A strip in which no box of the asked area fits.
        boxes = params.resized_crop_boxes(uniform(5, params.CROP_UNIFORMS), 10, 1000, (0.9, 1))
        expected = T.RandomResizedCrop.get_params(torch.empty(3, 10, 1000), (0.9, 1), (0.75, 4 / 3))
        assert (boxes == np.array(expected)).all()


class TestColorJitterSteps:
    def test_steps__probabilities_ranges_and_orders(self):
        u = uniform(N, params.JITTER_UNIFORMS)
        scale, of_mean, shift, gray = params.color_jitter_steps(u, 0.4, 0.4, 0.4, 0.1, 0.8, 0.2)
        assert scale.shape == of_mean.shape == (N, 6, 3, 3)
        error = 5 * np.sqrt(0.16 / N)
        assert abs((shift != 0).mean() - 0.8) < error
        assert abs(gray.mean() - 0.2) < error
        applied = shift[shift != 0]
        assert ks_2samp(applied, np.random.default_rng(1).uniform(-0.1, 0.1, N)).pvalue > 1e-3
        # Contrast is the only step with a part of the mean; its factor is 1 minus that part.
        part = of_mean.sum((1, 2, 3)) / 3
        factor = 1 - part[part != 0]
        assert ks_2samp(factor, np.random.default_rng(2).uniform(0.6, 1.4, N)).pvalue > 1e-3
        # Contrast stands before the hue in half of the images.
        slots = np.abs(of_mean).sum((2, 3)).nonzero()[1]
        order = u[:, 2:6].argsort(1).argsort(1) @ [64, 16, 4, 1]
        assert chisquare(np.unique(order, return_counts=True)[1]).pvalue > 1e-3
        assert len(np.unique(order)) == 24
        assert abs((slots < 3).mean() - 0.5) < 5 * 0.5 / np.sqrt(len(slots))
        # Every other slot is the identity.
        used = (np.abs(scale - np.eye(3)).sum((2, 3)) > 1e-9).sum(1)
        assert set(used) == {0, 3}

    def test_steps__without_hue_three_slots(self):
        u = uniform(50, params.JITTER_UNIFORMS)
        scale, _, shift, gray = params.color_jitter_steps(u, 0.4, 0.4, 0.4, 0.0)
        assert scale.shape[1] == 3 and not shift.any() and not gray.any()


class TestAutoAugmentOperations:
    def test_operations__frequencies_of_the_policy(self):
        operation, value = policies.auto_augment_operations(
            uniform(20000, policies.POLICY_UNIFORMS), 'cifar10', 32, 32
        )
        pairs = T.AutoAugment(T.AutoAugmentPolicy.CIFAR10).policies
        for slot in range(2):
            for name, code in policies.CODES.items():
                p = sum(pair[slot][1] for pair in pairs if pair[slot][0] == name) / 25
                if name == 'Identity':
                    p = 1 - sum(pair[slot][1] for pair in pairs) / 25
                share = (operation[:, slot] == code).mean()
                assert abs(share - p) < 5 * np.sqrt(p * (1 - p) / 20000) + 1e-12, (name, slot)

    def test_values__those_of_torchvision(self):
        operation, value = policies.auto_augment_operations(
            uniform(20000, policies.POLICY_UNIFORMS), 'cifar10', 32, 32
        )
        augment = T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)
        space = augment._augmentation_space(10, (32, 32))
        for name, code in policies.CODES.items():
            levels = {m for pair in augment.policies for o, _, m in pair if o == name}
            if not levels or levels == {None}:
                continue
            magnitudes, signed = space[name]
            expected = set()
            for level in levels:
                magnitude = float(magnitudes[level])
                magnitude = float(int(magnitude)) if 'Translate' in name else magnitude
                offset = 1 if name in (*policies.ENHANCE, 'Sharpness') else 0
                signs = (1, -1) if signed else (1,)
                expected |= {round(offset + sign * magnitude, 4) for sign in signs}
            found = sorted({round(v, 4) for v in value[operation == code]})
            assert found == pytest.approx(sorted(expected), abs=2e-4), name


class TestRandAugmentOperations:
    def test_operations__timm(self):
        theirs = [name.replace('Rel', '') for name in auto_augment._RAND_TRANSFORMS]
        assert list(policies.RAND_AUGMENT) == theirs
        u = uniform(20000, 2 * policies.RAND_AUGMENT_UNIFORMS)
        operation, value = policies.rand_augment_operations(u, 2, 10, 0.5, 224, 224)
        for slot in range(2):
            for name in policies.RAND_AUGMENT:
                share = (operation[:, slot] == policies.CODES[name]).mean()
                assert abs(share - 1 / 30) < 5 * np.sqrt(1 / 30 / 20000), name

    @pytest.mark.parametrize(
        'name', ['Rotate', 'Posterize', 'Solarize', 'SolarizeAdd', 'Color', 'ShearX', 'TranslateX']
    )
    def test_values__distribution_of_timm(self, name):
        u = uniform(40000, policies.RAND_AUGMENT_UNIFORMS)
        operation, value = policies.rand_augment_operations(u, 1, 9, 1.5, 100, 200)
        own = value[operation == policies.CODES[name]]
        random.seed(0)
        timm_name = name + 'Rel' if name == 'TranslateX' else name
        level = auto_augment.LEVEL_TO_ARG[timm_name]
        theirs = np.array(
            [level(max(0.0, min(random.gauss(9, 1.5), 10.0)), {})[0] for _ in range(len(own))]
        )
        if name == 'TranslateX':
            theirs = theirs * 200
        assert ks_2samp(own, theirs).pvalue > 1e-3


class TestScalarParameters:
    """One sample in plain Python gives what the batch gives in numpy."""

    @pytest.mark.parametrize('size', [(375, 500), (32, 32), (10, 300)])
    def test_resized_crop_box(self, size):
        u = np.random.default_rng(0).random((200, params.CROP_UNIFORMS))
        boxes = params.resized_crop_boxes(u, *size)
        for row, box in zip(u, boxes):
            assert params.resized_crop_box(row.tolist(), *size) == tuple(box)
