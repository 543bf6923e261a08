"""The losses where torch and numpy are all there is, and what the other parts say there."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from rcl_mm.openmmlab import is_installed, require

REPOSITORY = Path(__file__).resolve().parents[2]
# Hides what is installed from every finder: all but torch, numpy and what they require.
HIDE = """
import re, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

def normal(name):
    return re.sub('[-_.]+', '-', name).lower()

def closure(names):
    found, waiting = set(), list(names)
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [re.match('[A-Za-z0-9_.-]+', x)[0] for x in lines if 'extra ==' not in x]
    return found

kept = closure(['torch', 'numpy'])
hidden = {
    package
    for package, names in packages_distributions().items()
    if package != 'rcl_mm' and not kept & set(map(normal, names))
}
assert {'mmengine', 'mmpretrain', 'mmcv', 'timm', 'cv2', 'sklearn', 'matplotlib'} <= hidden

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in hidden:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
import torch
"""
INSTALL = 'pip install "rcl_mm[mm]" "rcl_mm[mmcv-lite]"'


def run(program, *folders):
    path = os.pathsep.join(map(str, [*folders, REPOSITORY]))
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program],
        env={**os.environ, 'PYTHONPATH': path},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )


def last_line(done):
    """Of a program that ended with an error."""
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


class TestWithoutOpenMMLab:
    def test_functional__values_and_gradients(self):
        done = run(f"""{HIDE}
from rcl_mm.class_counts import read_class_counts
from rcl_mm.functional import balanced_softmax_loss, rebalanced_contrastive_loss
embeddings = torch.nn.functional.normalize(torch.randn(8, 4), dim=1).requires_grad_()
labels, counts = torch.arange(4).repeat(2), read_class_counts([90, 30, 9, 3])
loss = rebalanced_contrastive_loss(embeddings, labels, embeddings[:4], counts, gather=True)
(loss + balanced_softmax_loss(embeddings, labels, counts)).backward()
assert loss.isfinite() and embeddings.grad.isfinite().all()
assert not hidden & {{name.partition('.')[0] for name in sys.modules}}
""")
        assert done.returncode == 0, done.stderr

    def test_import__takes_no_time_beside_torch(self):
        times = []
        for _ in range(3):
            done = run(f"""{HIDE}
import time
start = time.process_time()
import rcl_mm.functional
print(time.process_time() - start)
""")
            assert done.returncode == 0, done.stderr
            times.append(float(done.stdout))
        assert statistics.median(times) <= 0.3, times

    def test_other_parts__one_line_says_what_to_install(self):
        statements = {
            'import rcl_mm.models': 'rcl_mm.models',
            'from rcl_mm.models.losses import RCLLoss': 'rcl_mm.models',
            'from rcl_mm import models': 'rcl_mm.models',
            'from rcl_mm import to_rcl': 'rcl_mm.to_rcl',
            'import rcl_mm; rcl_mm.to_rcl': 'rcl_mm.to_rcl',
        }
        done = run(f"""{HIDE}
for statement in {list(statements)}:
    try:
        exec(statement)
    except (ModuleNotFoundError, AttributeError) as error:
        print(error)
""")
        reason = f'is not available, because the package "mmengine" is not installed: {INSTALL}'
        assert done.stdout.splitlines() == [f'{name} {reason}' for name in statements.values()]

    def test_tools__one_line_says_what_to_install(self):
        program = "import runpy; runpy.run_path('tools/train.py', run_name='__main__')"
        line = last_line(run(f'{HIDE}\n{program}'))
        assert '"mmengine" is not installed' in line and line.endswith(INSTALL)


class TestWithOpenMMLab:
    def test_functional__registers_as_rcl_mm_does(self):
        done = run("""
import rcl_mm.functional
from mmengine.registry import MODELS
assert MODELS.get('RCLLoss').__name__ == 'RCLLoss'
""")
        assert done.returncode == 0, done.stderr

    def test_a_part_of_it_missing__said(self):
        program = HIDE.replace('sys.meta_path[:]', "hidden = {'mmpretrain'}\nsys.meta_path[:]")
        assert last_line(run(f'{program}\nimport rcl_mm.functional')).endswith(
            'rcl_mm with its registered parts is not available, because the package "mmpretrain" '
            'is not installed: pip install "rcl_mm[mm]"'
        )

    def test_broken__its_own_error(self, tmp_path):
        (tmp_path / 'mmengine').mkdir()
        (tmp_path / 'mmengine/__init__.py').write_text("raise ImportError('no libbroken.so')")
        line = last_line(run('import rcl_mm.functional', tmp_path))
        assert line == 'ImportError: no libbroken.so'


class TestIsInstalled:
    def test_there_and_not(self):
        assert is_installed('torch') and not is_installed('no_such_package')

    def test_a_finder_that_refuses_it(self, monkeypatch):
        class Refusing:
            @staticmethod
            def find_spec(name, path=None, target=None):
                raise ModuleNotFoundError(f'No module named {name!r}', name=name)

        monkeypatch.setattr(sys, 'meta_path', [Refusing, *sys.meta_path])
        assert not is_installed('no_such_package')

    def test_require__names_the_first_that_is_missing(self):
        with pytest.raises(
            ModuleNotFoundError, match='"no_such_package" is not installed'
        ) as error:
            require('torch', 'no_such_package')
        assert error.value.name == 'no_such_package'
