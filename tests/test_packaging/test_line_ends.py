"""A clone that git would give CRLF line ends, as Git for Windows does for WSL and containers."""

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp('windows') / 'clone'
    options = ['-c', 'core.autocrlf=true', '-c', 'core.eol=crlf', '-c', 'advice.detachedHead=false']
    source = ['--quiet', '--depth', '1', REPOSITORY.as_uri(), str(folder)]
    subprocess.run(['git', *options, 'clone', *source], check=True)
    return folder


class TestLineEnds:
    def test_no_file_has_carriage_returns(self, clone):
        listed = ['git', '-C', str(clone), 'ls-files', '--eol']
        lines = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
        files = [line for line in lines.splitlines() if 'w/crlf' in line or 'w/mixed' in line]
        assert len(lines.splitlines()) > 100 and not files

    @pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
    def test_scripts_run(self, clone, script):
        done = subprocess.run(
            ['bash', str(clone / 'tools' / script)], capture_output=True, text=True
        )
        assert done.returncode == 2 and f'tools/{script}' in done.stderr
