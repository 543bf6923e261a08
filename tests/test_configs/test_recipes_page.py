"""docs/recipes.md names every config, and no config that is not there."""

import re

from .catalogue import METHODS, ROOT, all_configs

PAGE = (ROOT / 'docs/recipes.md').read_text()
SUFFIXES = set(re.findall(r'`(_[a-z0-9_]+)`', PAGE))
STEMS = set(re.findall(r'`(resn[a-z0-9_]+)`', PAGE))


def test_every_config_is_a_documented_file_with_documented_suffixes() -> None:
    unknown = []
    for name in all_configs():
        method, file = name.removesuffix('.py').split('/')
        stems = [stem for stem in STEMS if file.startswith(stem)]
        # A user's own folder and the short protocol's backbone have pages of their own.
        if 'folder_lt' in file or '_20e' in file:
            continue
        rest = file.removeprefix(max(stems, key=len)) if stems else file
        while rest and (known := [s for s in SUFFIXES if rest.startswith(s)]):
            rest = rest.removeprefix(max(known, key=len))
        if rest or method not in (*METHODS, 'ablation'):
            unknown.append(name)
    assert not unknown


def test_every_file_of_the_page_exists() -> None:
    for path in re.findall(r'configs/[a-z_]+/[a-z0-9_]+\.py', PAGE):
        assert (ROOT / path).is_file(), path
    for stem in STEMS:
        for method in METHODS:
            if (stem, method) != ('resnet8_digits_lt', 'ldam_drw'):
                assert f'{method}/{stem}.py' in all_configs()
