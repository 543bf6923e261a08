"""Imports go down only: the floors of docs/architecture.md."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess:
    """The tool of ``make lint``, in a folder with the contract."""
    command = [str(Path(sys.executable).with_name('lint-imports')), '--no-cache']
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def late_imports(source: str):
    """Imports of the package inside functions, by line."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for function in ast.walk(ast.parse(source)):
        for node in ast.walk(function) if isinstance(function, functions) else ():
            if isinstance(node, ast.ImportFrom):
                names = ['rcl_mm'] if node.level else [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            if any(name.partition('.')[0] == 'rcl_mm' for name in names):
                yield node.lineno


class TestFloors:
    def test_layers(self):
        result = lint_imports(ROOT)
        assert result.returncode == 0, result.stdout

    def test_layers__an_import_upwards_is_found(self, tmp_path):
        shutil.copytree(ROOT / 'rcl_mm', tmp_path / 'rcl_mm', ignore=lambda *_: ['.mim'])
        shutil.copy(ROOT / 'pyproject.toml', tmp_path)
        (tmp_path / 'rcl_mm/runtime/upwards.py').write_text('import rcl_mm.cli.launch\n')
        result = lint_imports(tmp_path)
        assert result.returncode == 1 and 'rcl_mm.runtime.upwards -> rcl_mm.cli' in result.stdout

    def test_no_late_imports(self):
        found = {
            f'{path.relative_to(ROOT)}:{line}'
            for path in (ROOT / 'rcl_mm').rglob('*.py')
            if '.mim' not in path.parts
            for line in late_imports(path.read_text())
        }
        assert not found

    def test_late_imports__is_found(self):
        source = 'def f():\n    from rcl_mm.cli import launch\n\n    import numpy\n'
        assert list(late_imports(source)) == [2]
