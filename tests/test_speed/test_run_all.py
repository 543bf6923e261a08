"""The benchmarks' documents: made from saved results, with the rows that need a GPU marked."""

import json
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTPUT = """Import
  processor: Some CPU, 2 cores
  5 rounds; median (quartiles)

| what | measured | target |     |
|------|----------|--------|-----|
| a    | 0.16     | <= 0.3 | met |"""


@pytest.fixture
def run_all(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'benchmarks'))
    import run_all

    monkeypatch.setattr(run_all, 'DOCUMENTS', tmp_path / 'performance')
    monkeypatch.setattr(run_all, 'ROOT', tmp_path)
    return run_all


def part(title, output=OUTPUT):
    return dict(title=title, command='some.py', output=output)


def results(device='cpu', name='some_cpu_2_cores'):
    return dict(name=name, device=device, date='2026-01-01', machine=[], parts=[part('Import')])


def test_merge__writes_the_document(run_all, tmp_path, monkeypatch, capsys):
    path = tmp_path / 'saved.json'
    path.write_text(json.dumps(results()))
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--merge', str(path)])
    run_all.main()
    assert 'wrote performance/some_cpu_2_cores.md' in capsys.readouterr().out
    text = (tmp_path / 'performance' / 'some_cpu_2_cores.md').read_text()
    assert '- processor: Some CPU, 2 cores\n' in text
    assert '| a    | 0.16     | <= 0.3 | met |' in text
    assert text.count('not measured') == 3


def test_only__replaces_its_section_and_keeps_the_others(run_all, tmp_path, monkeypatch):
    path = run_all.write(
        dict(results(), parts=[part('Import'), part('The loss', 'The loss\n\n| a | old |')])
    )
    (tmp_path / 'loss.py').write_text("print('The loss\\n  Some CPU\\n\\n| a | new |')")
    monkeypatch.setattr(run_all, 'HERE', tmp_path)
    monkeypatch.setattr(run_all, 'machine_name', lambda device: 'some_cpu_2_cores')
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--only', 'loss.py'])
    before = path.read_text()
    run_all.main()
    text = path.read_text()
    assert '| a | old |' in before and '| a | old |' not in text and '| a | new |' in text
    assert '| a    | 0.16     | <= 0.3 | met |' in text
    titles = [line for line in text.splitlines() if line.startswith('## ')]
    assert titles == ['## The loss', '## Import', '## What needs a GPU']
    # Each section says when it was measured.
    assert text.count('- measured 2026-01-01\n') == 1
    assert text.count(f'- measured {time.strftime("%Y-%m-%d")}\n') == 1


def test_only__no_such_benchmark(run_all, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--only', 'lost.py'])
    with pytest.raises(SystemExit, match='--only lost.py: allowed are loss.py'):
        run_all.main()


def test_write__rows_that_need_a_gpu(run_all):
    gpu = results('cuda', 'nvidia_h100')
    gpu['parts'][0]['title'] = 'The loss'
    # The GPU's own page lacks the training step, alone and with its loader.
    assert run_all.write(gpu).read_text().count('| not measured') == 2
    text = run_all.write(results()).read_text()
    assert text.count('not here: see nvidia_h100.md') == 1
    assert text.count('| not measured') == 2


def test_needs_gpu__sections_of_the_benchmarks(run_all):
    commands = dict(run_all.BENCHMARKS['cuda'])
    assert {title for title, _, _ in run_all.NEEDS_GPU} == set(commands)
    assert all((run_all.HERE / command[0]).is_file() for command in commands.values())


def test_merge__not_a_results_file(run_all, tmp_path, monkeypatch):
    path = tmp_path / 'saved.json'
    path.write_text('[1]')
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--merge', str(path)])
    with pytest.raises(SystemExit, match='no results of run_all.py --save'):
        run_all.main()


def test_run_one__a_benchmark_that_fails(run_all, tmp_path, monkeypatch):
    (tmp_path / 'bad.py').write_text("raise RuntimeError('out of luck')")
    monkeypatch.setattr(run_all, 'HERE', tmp_path)
    with pytest.raises(SystemExit, match='bad.py failed: RuntimeError: out of luck'):
        run_all.run_one('Bad', ['bad.py'])


def test_run_one__progress_is_seen_and_noise_is_not(run_all, tmp_path, monkeypatch, capfd):
    lines = ['import sys', "print('-> a row: 1 ms', file=sys.stderr)"]
    lines += ["print('profiler_start', file=sys.stderr)", "print('Good')"]
    (tmp_path / 'good.py').write_text('\n'.join(lines))
    monkeypatch.setattr(run_all, 'HERE', tmp_path)
    assert run_all.run_one('Good', ['good.py'])['output'] == 'Good'
    assert capfd.readouterr().err == '-> a row: 1 ms\n'


def test_save__keeps_what_is_done_when_a_later_benchmark_fails(run_all, tmp_path, monkeypatch):
    (tmp_path / 'good.py').write_text("print('Good')")
    (tmp_path / 'bad.py').write_text("raise RuntimeError('out of luck')")
    monkeypatch.setattr(run_all, 'HERE', tmp_path)
    monkeypatch.setitem(run_all.BENCHMARKS, 'cpu', [('Good', ['good.py']), ('Bad', ['bad.py'])])
    path = tmp_path / 'saved.json'
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--save', str(path)])
    with pytest.raises(SystemExit, match='bad.py failed'):
        run_all.main()
    assert [part['output'] for part in json.loads(path.read_text())['parts']] == ['Good']
