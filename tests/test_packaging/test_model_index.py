"""model-index.yml and the metafile: what they say of a config is what the config says."""

import pytest
import yaml
from mmengine.config import Config
from mmpretrain.registry import MODELS
from study.run import ROOT

INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text('utf-8'))
METAFILES = [yaml.safe_load((ROOT / path).read_text('utf-8')) for path in INDEX['Import']]
ENTRIES = [model for metafile in METAFILES for model in metafile['Models']]
COLLECTIONS = {c['Name']: c for metafile in METAFILES for c in metafile['Collections']}
LARGE = ('imagenet', 'inaturalist', 'places')


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry['Name'])
def entry(request) -> dict:
    return request.param


def test_names_are_unique() -> None:
    names = [entry['Name'] for entry in ENTRIES]
    assert len(set(names)) == len(names) > 0


def test_entry_is_about_its_config(entry) -> None:
    path = ROOT / entry['Config']
    cfg = Config.fromfile(path, import_custom_modules=False)
    assert path.stem == entry['Name']
    assert entry['Metadata']['Epochs'] == cfg.train_cfg.max_epochs
    assert entry['Metadata']['Batch Size'] == cfg.train_dataloader.batch_size
    assert entry['In Collection'] in COLLECTIONS
    assert (ROOT / COLLECTIONS[entry['In Collection']]['README']).is_file()
    for word, name in (('cifar100', 'CIFAR-100'), ('imagenet', 'ImageNet'), ('jpeg', '(JPEG)')):
        assert (word in path.stem) == (name in entry['Metadata']['Training Data'])


def test_no_figure_without_weights(entry) -> None:
    """A figure belongs to a file that can be tested; MMPretrain's tools read both."""
    for result in entry['Results']:
        assert result['Task'] == 'Image Classification'
        assert result['Dataset'] == entry['Metadata']['Training Data']
        assert (result['Metrics'] is None) == (entry['Weights'] is None)


@pytest.mark.parametrize(
    'entry', [e for e in ENTRIES if not any(w in e['Name'] for w in LARGE)], ids=lambda e: e['Name']
)
def test_number_of_parameters(entry) -> None:
    model = MODELS.build(Config.fromfile(ROOT / entry['Config']).model)
    assert entry['Metadata']['Parameters'] == sum(p.numel() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    'entry', [e for e in ENTRIES if any(w in e['Name'] for w in LARGE)], ids=lambda e: e['Name']
)
def test_number_of_parameters_of_large_models(entry) -> None:
    model = MODELS.build(Config.fromfile(ROOT / entry['Config']).model)
    assert entry['Metadata']['Parameters'] == sum(p.numel() for p in model.parameters())


def test_model_card_has_the_entry_of_the_metafile() -> None:
    text = (ROOT / 'docs' / 'model_card_template.md').read_text('utf-8')
    block = text.partition('## Entry for `metafile.yml`')[2]
    (template,) = yaml.safe_load(block)
    assert set(template) == set(ENTRIES[0])
    assert set(template['Metadata']) == set(ENTRIES[0]['Metadata'])
