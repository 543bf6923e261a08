"""Only the named warning of an import is kept back."""

import warnings

from rcl_mm.runtime.quiet_imports import import_quietly


class TestImportQuietly:
    def test_other_warnings_are_handed_on(self, tmp_path, monkeypatch):
        (tmp_path / 'noisy_module.py').write_text(
            'import warnings\n'
            "warnings.warn('needless: there is no operator')\n"
            "with warnings.catch_warnings():\n    warnings.simplefilter('always')\n"
            "    warnings.warn('needless: and with a filter of its own')\n"
            "warnings.warn('worth knowing')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            import_quietly('noisy_module', 'needless')
        assert [str(one.message) for one in seen] == ['worth knowing']
