"""Telling a failed download of pre-trained weights from other errors."""

import re
from typing import Optional

# By name: Hugging Face's client and its transport are imported by timm only when they are needed.
NETWORK_ERRORS = (
    'URLError',
    'gaierror',
    'ConnectError',
    'ConnectTimeout',
    'LocalEntryNotFoundError',
)


def failed_download(error: BaseException) -> Optional[str]:
    """One line for an error that comes from a download, or None for another error.

    Args:
        error (BaseException): With its causes.

    Returns:
        str | None: What could not be downloaded, and what to do without a network.
    """
    names, text = [], ''
    one: Optional[BaseException] = error
    while one is not None:
        names.append(type(one).__name__)
        text += f' {one}'
        one = one.__cause__ or one.__context__
    if not set(names) & set(NETWORK_ERRORS):
        return None
    reason = 'no network' if 'gaierror' in names or 'ConnectError' in names else names[0]
    address = re.search(r'https?://[^\s>\'"]+', text)
    what = f' {address.group(0)}' if address else ''
    return (
        f'pre-trained weights could not be downloaded{what} ({reason}): download them elsewhere '
        'and give the file (init_cfg=dict(type="Pretrained", checkpoint=FILE), for timm '
        'model.backbone.pretrained=False model.backbone.checkpoint_path=FILE), or train without'
    )
