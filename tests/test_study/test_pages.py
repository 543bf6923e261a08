"""docs/results.md: every figure comes from docs/results/*.json."""

import json
import re

import pytest
from study import pages as results_tables
from study.ablation import DIGITS_ROWS, ablation_runs
from study.figures import is_drawn, pictured_differences
from study.pages import (
    FOLDER,
    MARKER,
    PAGES,
    fill_tables,
    read_results_folder,
    update_results,
)
from study.plan import cifar_runs, cifar_sweep_runs, digits_runs, sweep_runs
from study.records import collect
from study.run_files import RESULT_NAME, write_json
from study.sweep_tables import best_setting

from rcl_mm.runtime.errors import UsageError

from .synthetic_records import record_of


def value_of(run) -> float:
    """A made-up balanced accuracy with known means and differences."""
    factors = run.factors
    value = 70.0 + run.seed
    value += {'RCL': 2.0, '5_rcl': 2.0, 'RCL standalone': 1.0}.get(factors['method'], 0.0)
    # Differences vary a little, as they do in life; those of three seeds by 0.2 at 95%.
    value += 0.1 * (run.seed - 1) * (factors['method'] in ('RCL', '5_rcl'))
    value -= factors.get('imbalance_factor', 0) / 10
    value += 3.0 * (factors.get('sharpness') == 20) * (run.split == 'val')
    value += (1.0 + 0.1 * run.seed) * (factors.get('prior_power') == 1.5)
    return value


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> dict:
    """What a folder with a whole study gives."""
    folder = tmp_path_factory.mktemp('results')
    work_dir = tmp_path_factory.mktemp('work')
    runs = [*digits_runs(3), *sweep_runs(3), *cifar_runs('cifar-full', 2), *cifar_sweep_runs(1)]
    runs += ablation_runs(DIGITS_ROWS, range(2))
    for run in runs:
        metrics = {'long_tail/balanced': value_of(run), 'long_tail/ece': 80 - value_of(run)}
        write_json(work_dir / run.name / RESULT_NAME, record_of(run, metrics))
    collect(work_dir, folder / 'study.json')
    published = json.loads((FOLDER / 'published.json').read_text())
    write_json(folder / 'published.json', published)
    return read_results_folder(folder)


def table(results, call: str) -> str:
    text = fill_tables(f'<!-- table: {call} -->\nold\n<!-- end -->', results)
    return MARKER.search(text)[0]


def row(text: str, label: str) -> list:
    rows = [[c.strip() for c in line.strip('|').split('|')] for line in text.splitlines()]
    (found,) = (cells for cells in rows if cells[0] == label)
    return found


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_the_page_is_what_the_script_makes(page) -> None:
    text = page.read_text('utf-8')
    assert MARKER.search(text)
    assert fill_tables(text, read_results_folder()) == text, 'python tools/study.py tables'


def test_no_figure_is_typed_by_hand() -> None:
    """Outside of the tables there is no number with a decimal point, and no percentage."""
    text = MARKER.sub('', PAGES[0].read_text('utf-8'))
    text = re.sub(r'arXiv \d+\.\d+|\d+%\s+interval', '', text)
    assert re.findall(r'\d+\.\d+|\d+ ?%', text) == []


def test_results_are_small_enough_for_a_repository() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4 << 20


def test_balanced_accuracy_by_imbalance(results) -> None:
    text = table(results, 'balanced digits balanced')
    assert row(text, 'balanced')[1:] == [f'{k} {f}' for k in ('exp', 'step') for f in (10, 50, 100)]
    # Seeds 0, 1, 2: mean + 1, t(0.975, 2) * 1 / sqrt(3) = 2.48.
    assert row(text, 'BCL')[1:4] == ['70.0 ± 2.5', '66.0 ± 2.5', '61.0 ± 2.5']
    assert row(text, 'RCL')[1] == '72.0 ± 2.7'


def test_differences_and_findings(results) -> None:
    text = table(results, 'differences digits exp 50')
    assert row(text, 'RCL')[1] == '**+2.0 ± 0.2**'
    text = table(results, 'findings digits')
    cells = row(text, 'RCL - BCL')
    assert cells[1] == '**+2.0 ± 0.0** (better 6, worse 0 of 6)' and cells[-1] == '18'
    # Of a metric that is better when lower.
    assert cells[4] == '**-2.0 ± 0.0** (better 6, worse 0 of 6)'
    assert '(better 0, worse 6 of 6)' in row(text, 'RCL standalone - RCL')[1]
    assert row(table(results, 'findings cifar-full'), 'RCL - BCL')[1] == '**+2.0 ± 0.6**'
    cells = row(table(results, 'findings digits exp 50'), 'RCL - BCL')
    assert cells[1] == '**+2.0 ± 0.2**' and cells[-1] == '3'


def test_ablation(results) -> None:
    text = table(results, 'ablation ablation')
    means, differences = text.split('| minus 3_bcl')
    assert row(means, '3_bcl')[-3:] == ['70.5 ± 6.4', '9.5 ± 6.4', '2']
    assert row(differences, '5_rcl')[1] == '**+2.0 ± 0.6**'
    assert 'PARTIAL' not in text


def test_means(results) -> None:
    assert row(table(results, 'means digits step 100'), 'RCL')[1:] == [
        '63.0 ± 2.7',
        '17.0 ± 2.7',
        '3',
    ]
    assert row(table(results, 'means cifar-full'), 'BCL')[-1] == '2'


def test_headline_has_the_rows_that_are_looked_for_first(results) -> None:
    text = table(results, 'headline digits exp 50')
    assert row(text, 'method')[1:] == ['balanced', 'runs']
    assert row(text, 'RCL')[1:] == row(table(results, 'means digits exp 50'), 'RCL')[1:2] + ['3']
    assert len(text.splitlines()) == 6 + 4 and 'SupCon' not in text


def test_sweep(results) -> None:
    text = table(results, 'sweep sweep RCL standalone')
    assert row(text, 's²/τ')[1:] == ['γ = 0', 'γ = 0.5', 'γ = 1', 'γ = 1.5']
    assert row(text, '20 (s = 1.4142)')[3] == '70.0 ± 2.5' and text.count('**') == 2
    records = results['records']['sweep']
    setting, value = best_setting(records, 'RCL')
    assert setting == (20, 1.0, 0.3) and value.mean == pytest.approx(71)
    assert best_setting(results['records']['cifar-sweep'], 'RCL')[0][0] == 20
    assert row(table(results, 'chosen sweep'), 'RCL')[1:] == [
        '20',
        '1.4142',
        '0.3',
        '71.0 ± 2.7',
        '+3.0 ± 0.0',
    ]
    assert row(table(results, 'beta sweep'), '3')[1:] == ['68.0 ± 2.7', '68.0 ± 2.7', '71.0 ± 2.7']


def test_what_the_prior_changes(results) -> None:
    text = table(results, 'prior sweep RCL standalone')
    assert row(text, 's²/τ')[1:] == [f'γ = {power} minus γ = 0' for power in (0.5, 1, 1.5)]
    # Three seeds with differences of 1, 1.1 and 1.2; the five scales together have them five times.
    assert row(text, '5 (s = 0.7071)')[1:] == ['+0.0 ± 0.0', '+0.0 ± 0.0', '**+1.1 ± 0.2**']
    assert row(text, 'all')[3] == '**+1.1 ± 0.0**'
    assert row(table(results, 'prior cifar-sweep RCL'), '10 (s = 1)')[1:] == [
        '+0.0',
        '+0.0',
        '+1.0',
    ]


def test_provenance(results) -> None:
    cells = row(table(results, 'provenance digits'), '[study.json](results/study.json)')
    assert cells[1] == 'a device'
    assert 'torch 2.14.1' in cells[2] and cells[3] == '`0123456789ab`' and cells[4] == '2026-01-02'
    assert cells[5:] == ['162', '3', '1.6']


class TestPicture:
    PAGE = '# Text\n<!-- table: picture digits -->\n<!-- end -->\n'

    def test_alternative_text_has_the_figures(self, results) -> None:
        text = table(results, 'picture digits')
        assert '](images/digits_differences.png)' in text
        assert 'RCL minus BCL: exp 10 +2.0 ± 0.2, exp 50 +2.0 ± 0.2, ' in text
        assert 'RCL standalone minus BCL standalone: exp 10 +1.0 ± 0.0, ' in text

    def test_is_drawn_beside_its_page_and_drawn_anew_when_stale(
        self, results, tmp_path, monkeypatch, capsys
    ) -> None:
        monkeypatch.setattr(results_tables, 'read_results_folder', lambda folder: results)
        page, picture = tmp_path / 'page.md', tmp_path / 'images' / 'digits_differences.png'
        page.write_text(self.PAGE)
        update_results(pages=[page])
        assert f'{picture}: drawn' in capsys.readouterr().out
        update_results(check=True, pages=[page])
        fewer = [r for r in results['records']['digits'] if r['seed'] < 2]
        stale = {**results, 'records': {**results['records'], 'digits': fewer}}
        page.write_text(fill_tables(self.PAGE, stale))
        monkeypatch.setattr(results_tables, 'read_results_folder', lambda folder: stale)
        with pytest.raises(UsageError, match='digits_differences.png is not current'):
            update_results(check=True, pages=[page])
        before = picture.read_bytes()
        update_results(pages=[page])
        assert picture.read_bytes() != before
        update_results(check=True, pages=[page])

    def test_the_one_in_the_documents_is_current(self) -> None:
        differences = pictured_differences(read_results_folder()['records']['digits'])
        picture = PAGES[0].parent / 'images' / 'digits_differences.png'
        assert is_drawn(differences, picture), 'python tools/study.py tables'
        assert not is_drawn(differences, PAGES[0].parent / 'digits_differences.png')


def test_what_is_not_measured_says_so(results) -> None:
    assert 'Not measured yet: `python tools/study.py --part cifar`' in table(results, 'means cifar')
    assert 'Not measured yet' in table(results, 'means digits exp 7')
    empty = {'records': {}, 'published': {}}
    assert 'Not measured yet: `make study`' in table(empty, 'balanced digits few')


def test_published_figures_have_a_source(results) -> None:
    text = table(results, 'published')
    lines = text.splitlines()[3:-1]
    assert len(lines) == len(results['published']['figures'])
    assert all('](https://' in line for line in lines)
    assert '| ConCutMix ' in text and '86.1' in text
    # Nothing of ours among them.
    assert not any(figure['method'] == 'RCL' for figure in results['published']['figures'])


def test_unknown_table_is_refused(results) -> None:
    with pytest.raises(UsageError, match='table "nonsense digits" is unknown'):
        table(results, 'nonsense digits')


def test_the_same_run_in_two_files_is_refused(tmp_path) -> None:
    run = digits_runs(1)[0]
    write_json(tmp_path / 'w' / run.name / RESULT_NAME, record_of(run))
    for name in ('a.json', 'b.json'):
        collect(tmp_path / 'w', tmp_path / 'results' / name)
    with pytest.raises(UsageError, match='both a.json and b.json'):
        read_results_folder(tmp_path / 'results')


def test_a_damaged_file_is_refused(tmp_path) -> None:
    (tmp_path / 'a.json').write_text('{"format"')
    with pytest.raises(UsageError, match='not valid JSON'):
        read_results_folder(tmp_path)


def test_check_finds_a_stale_page(tmp_path, capsys) -> None:
    page = tmp_path / 'page.md'
    page.write_text('# Text\n<!-- table: published -->\n<!-- end -->\n')
    with pytest.raises(UsageError, match='is not current'):
        update_results(check=True, pages=[page])
    update_results(pages=[page])
    assert 'ProCo' in page.read_text()
    update_results(check=True, pages=[page])
    assert '1 tables are current' in capsys.readouterr().out
