"""docs/architecture.md names files, functions and floors that exist."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs' / 'architecture.md').read_text()


class TestArchitecture:
    def test_links_lead_to_files(self):
        links = set(re.findall(r'\]\(([^)#]+)\)', TEXT))
        missing = sorted(link for link in links if not (ROOT / 'docs' / link).exists())
        assert len(links) > 20 and not missing

    def test_folders_exist(self):
        folders = set(re.findall(r'`((?:rcl_mm|tools|configs|tests)/[\w/]*)`', TEXT))
        assert folders and not [f for f in sorted(folders) if not (ROOT / f).is_dir()]

    def test_functions_are_in_the_files_beside_them(self):
        rows = re.findall(r'`(\w+)`(?: and `(\w+)`)? in \[[^\]]+\]\(\.\./([^)]+)\)', TEXT)
        assert len(rows) >= 4
        for *names, path in rows:
            source = (ROOT / path).read_text()
            assert all(re.search(rf'\b(def|class) {name}\b', source) for name in names if name)

    def test_floors_are_those_of_the_contract(self):
        settings = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['importlinter']
        layers = ' | '.join(settings['contracts'][0]['layers'])
        drawn = dict(re.findall(r'(\w+)\["(\w+):', TEXT))
        assert set(drawn.values()) | {'apis'} == set(re.findall(r'\w+', layers))

    def test_equation__is_the_last_line(self):
        source = (ROOT / 'rcl_mm/functional.py').read_text()
        body = source.split('def rebalanced_contrastive_loss', 1)[1].split('\ndef ', 1)[0]
        last = [line for line in body.splitlines() if line.strip()][-1]
        assert last.strip().startswith('return') and 'log' in last
