"""The Triton kernels without a GPU: in Triton's interpreter, and compiled for GPUs not at hand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rcl_mm import contrast_kernels, gpu_kernels

CASES = Path(__file__).with_name('test_kernels.py')


def test_the_kernels_in_the_interpreter():
    # The variable decides when the kernels are defined, so it takes a new process.
    result = subprocess.run(
        [sys.executable, '-m', 'pytest', str(CASES), '-p', 'no:cacheprovider'],
        capture_output=True,
        text=True,
        env={**os.environ, 'TRITON_INTERPRET': '1', 'CUDA_VISIBLE_DEVICES': ''},
    )
    assert result.returncode == 0, result.stdout[-3000:]
    passed = re.search(r'(\d+) passed', result.stdout)
    assert passed and int(passed[1]) >= 40


@pytest.mark.parametrize('architecture', [80, 90])
@pytest.mark.parametrize(
    'name, types, options, registers',
    [
        (
            '_key_terms_kernel',
            dict(labels='*i64', counts='*i64', prior_power='fp32', keys='i32', columns='i32'),
            dict(HAS_PRIOR=True, CLASS_AVERAGING=True, BLOCK=64),
            255,
        ),
        (
            '_score_kernel',
            dict(labels='*i64', first='i32', stride='i32', keys='i32', columns='i32'),
            dict(CLASS_AVERAGING=True, HAS_PROTOTYPES=True, TO_GRADIENT=True, BLOCK=2048),
            128,  # of 8 warps: two such blocks fit on a multiprocessor
        ),
    ],
)
def test_compiles_for_a_gpu(monkeypatch, tmp_path, architecture, name, types, options, registers):
    """To machine code, by the assembler that comes with Triton; what it says of the resources."""
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    kernel = getattr(contrast_kernels, name)
    signature = {
        argument: 'constexpr' if argument in options else types.get(argument, '*fp32')
        for argument in kernel.arg_names
    }
    compiled = triton.compile(
        ASTSource(fn=kernel, signature=signature, constexprs=options),
        target=GPUTarget('cuda', architecture, 32),
        options=dict(num_warps=contrast_kernels._WARPS if name == '_score_kernel' else 4),
    )
    code = tmp_path / 'kernel.cubin'
    code.write_bytes(compiled.asm['cubin'])
    tool = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'
    usage = subprocess.run(
        [str(tool), '-res-usage', str(code)], capture_output=True, text=True, check=True
    ).stdout
    assert int(re.search(r'REG:(\d+)', usage)[1]) <= registers
    assert 'STACK:0 ' in usage and 'LOCAL:0 ' in usage  # nothing spilled to memory


def test_not_on_the_cpu_and_not_in_float64():
    assert gpu_kernels.kernels_for(torch.zeros(2)) is None
    assert gpu_kernels.kernels_for(torch.zeros(2, dtype=torch.float64)) is None


def test_a_machine_where_triton_fails__says_so_and_goes_on(monkeypatch):
    def fail(device):
        raise RuntimeError('Failed to find C compiler. Please specify\nvia CC environment variable')

    monkeypatch.setattr(contrast_kernels, 'try_out', fail)
    gpu_kernels._kernels.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r'on cuda:7 \(RuntimeError: Failed to find C comp'):
            assert gpu_kernels._kernels(torch.device('cuda:7')) is None
    finally:
        gpu_kernels._kernels.cache_clear()
