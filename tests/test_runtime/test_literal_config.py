"""A checkpoint's config is read as data."""

import pytest
from mmengine.config import Config
from small_runs import RCL_DIGITS

from rcl_mm.runtime.literal_config import read_literal_config


class TestReadLiteralConfig:
    def test_what_mmengine_writes__comes_back(self):
        config = Config.fromfile(RCL_DIGITS)
        assert read_literal_config(config.pretty_text)._cfg_dict == config._cfg_dict

    def test_keys_that_are_no_names(self):
        text = Config(dict(a={'.bias': dict(decay=0.0), 'x': (1, -2.5, None)})).pretty_text
        assert read_literal_config(text).a == {'.bias': {'decay': 0.0}, 'x': (1, -2.5, None)}

    @pytest.mark.parametrize(
        'line',
        [
            'import os',
            "a = __import__('os').system('true')",
            "a = dict(b=open('x', 'w'))",
            'a = [exit() for _ in range(1)]',
            'a = dict(**b)',
            'a = {**b}',
            'a = dict([1])',
            'a = b',
            'a.b = 1',
            'a, b = 1, 2',
            'del a',
            "a = f'{exit()}'",
            'a = (lambda: 1)()',
        ],
    )
    def test_anything_else__is_refused_with_its_line(self, line):
        with pytest.raises(ValueError, match='line 2 of the config has .* not executed'):
            read_literal_config(f'x = 1\n{line}\n')

    def test_no_python(self):
        with pytest.raises(ValueError, match='line 1 of the config is not Python'):
            read_literal_config('a = = 1')
