"""Packaging of rcl_mm; the version is read as text, so that building needs none of its imports."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """The ``__version__`` line of rcl_mm/version.py, without importing torch."""
    text = (ROOT / 'rcl_mm' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r'^__version__ = [\'"]([^\'"]+)[\'"]$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('rcl_mm/version.py has no line __version__ = "..."')
    return match.group(1)


def read_readme() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.is_file() else ''


# What the registered parts, the tools and the report need. The losses alone need torch and numpy,
# so that they can be installed where there is no OpenMMLab.
OPENMMLAB = [
    'torchvision>=0.19',
    'timm>=1.0.9',
    'mmengine>=0.10.7,<1.0',
    # MMEngine imports its pkg_resources: gone in 82, and a warning at each start from 80.9 on.
    # torch asks for 77.0.3 or newer.
    'setuptools>=77.0.3,<80.9',
    'mmpretrain>=1.2.0,<2.0',
    'scikit-learn>=1.4',
    'scipy>=1.11',
    'matplotlib>=3.8',
    'pillow>=10',
    'opencv-python>=4.8',
    'jinja2>=3.1',
    'rich>=13',
]

# mmcv and mmcv-lite both install the package `mmcv`, each over the other's files. Neither comes
# with `mm`, so that an existing full mmcv is never overwritten: `rcl_mm[mmcv-lite]` asks for the
# one without compiled operators, which is all that classification needs.
EXTRAS = {
    'mm': OPENMMLAB,
    'openmmlab': OPENMMLAB,
    'mmcv-lite': ['mmcv-lite>=2.0.0,<2.2.0'],
    'tensorboard': ['tensorboard>=2.16'],
    'export': ['onnx>=1.16', 'onnxruntime>=1.18', 'onnxscript>=0.3'],
    'study': ['pandas>=2.2', 'scipy>=1.11', 'tabulate>=0.9'],
    'test': [
        'pytest>=8',
        'pytest-timeout>=2.3',
        'pytest-xdist>=3.6',
        'hypothesis>=6.100',
        'ruff>=0.6',
        'import-linter>=2.1',
        'playwright>=1.45',
    ],
}

setup(
    name='rcl_mm',
    version=read_version(),
    description='Rebalanced contrastive learning for long-tailed recognition on MMPretrain',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='long-tailed recognition, contrastive learning, class imbalance, OpenMMLab',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.11',
    packages=find_packages(include=['rcl_mm', 'rcl_mm.*']),
    # `.mim` is where MMEngine looks for `_base_ = 'rcl_mm::...'`; its entries are links to the
    # top-level configs/ and tools/, which the build follows: a wheel holds real files.
    package_data={
        'rcl_mm': [
            '.mim/configs/**/*.py',
            '.mim/tools/*.py',
            '.mim/tools/*.sh',
        ],
        'rcl_mm.report': ['**/*.html', '**/*.css', '**/*.js', '**/*.j2'],
    },
    # Experiments of this project's own, whose machinery (tools/study/) stays in the source tree.
    exclude_package_data={
        'rcl_mm': [f'.mim/tools/{name}.py' for name in ('study', 'ablate', 'compat')],
    },
    zip_safe=False,
    install_requires=['torch>=2.4', 'numpy>=1.26,<3'],
    extras_require=EXTRAS,
)
