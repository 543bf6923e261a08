"""Random states go through a checkpoint and come back."""

import random

import numpy as np
import torch

from rcl_mm.engine.random_states import get_random_states, set_random_states
from rcl_mm.runtime.checkpoint import load_checkpoint_file


def draw():
    return [random.gauss(0, 1), np.random.randn(3).tolist(), torch.rand(3).tolist()]


class TestRandomStates:
    def test_same_numbers_after_a_checkpoint(self, tmp_path):
        # An odd number of normal draws: the other one of each pair is part of the state.
        draw()
        torch.save(get_random_states(), tmp_path / 'states.pth')
        expected = [draw() for _ in range(3)]
        set_random_states(load_checkpoint_file(tmp_path / 'states.pth'))
        assert [draw() for _ in range(3)] == expected
