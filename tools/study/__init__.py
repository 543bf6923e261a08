"""The machinery of this project's own experiments; no part of the package."""

import sys
from importlib.util import find_spec

_missing = [name for name in ('pandas', 'scipy', 'tabulate') if find_spec(name) is None]
if _missing:
    sys.exit(f'the study needs {" and ".join(_missing)}: pip install -e ".[study]" (or make setup)')
