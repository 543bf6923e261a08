"""Names of any script in figures: what of them can be drawn, and by which installed font."""

import logging
import unicodedata
from bisect import bisect_right
from functools import cache
from itertools import accumulate
from typing import Dict, FrozenSet, List, Set, Tuple

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from mmengine.logging import print_log

DEFAULT = 'DejaVu Sans'
# Matplotlib's own, with a box for every character there is.
BOXES = 'Last Resort'
JOINERS = '\u200c\u200d'
VARIATION_SELECTORS = '\ufe0e\ufe0f'
_said: Set[str] = set()


def printable(name: str) -> str:
    """A name as it can be drawn, and written to a page, in one line.

    Control characters become spaces, invisible marks go (the direction of a text is found from its
    letters), and what is no character at all (the bytes of a file name that is not UTF-8) becomes
    the replacement character.
    """

    def one(character: str) -> str:
        category = unicodedata.category(character)
        if category == 'Cs':
            return '\N{REPLACEMENT CHARACTER}'
        if category in ('Cc', 'Zl', 'Zp'):
            return ' '
        invisible = category == 'Cf' and character not in JOINERS
        return '' if invisible or character in VARIATION_SELECTORS else character

    return ''.join(map(one, name))


def shorten(name: str, width: int) -> str:
    """A name of at most so many columns; Chinese, Japanese and Korean letters take two."""
    widths = [2 if unicodedata.east_asian_width(one) in 'WF' else 1 for one in name]
    if sum(widths) <= width:
        return name
    columns = list(accumulate(widths))
    return name[: bisect_right(columns, width - 1)] + '…'


def use_fonts_for_texts(figure: Figure) -> None:
    """Give all texts of a figure fonts that have their characters, as far as one is installed.

    Says once, in the log, which characters no font has, and what to install.
    """
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()  # made when they are asked for
    texts = figure.findobj(Text)
    characters = frozenset(''.join(text.get_text() for text in texts))
    if all(character.isascii() for character in characters):
        return
    families, missing = fonts_for(characters)
    for text in texts:
        text.set_fontfamily(families)
    new = missing - _said
    if new:
        _said.update(new)
        shown = ' '.join(sorted(new)[:10])
        print_log(
            f'no installed font has {len(new)} of the characters in the figures ({shown}): they '
            'are drawn as boxes. Install fonts and draw again; on Debian and Ubuntu: apt-get '
            'install fonts-noto-cjk (Chinese, Japanese, Korean) or fonts-noto-core (other scripts)',
            logger='current',
            level=logging.WARNING,
        )


@cache
def fonts_for(characters: FrozenSet[str]) -> Tuple[List[str], FrozenSet[str]]:
    """Families that have these characters between them.

    Args:
        characters (frozenset[str]): Single characters.

    Returns:
        tuple[list[str], frozenset[str]]: Names of families, matplotlib's default first, and the
        characters that no installed font has.
    """
    missing = {ord(character) for character in characters}
    missing -= _characters_of(font_manager.findfont(DEFAULT))
    families = [DEFAULT]
    found = {name: missing & _characters_of(path) for name, path in _installed().items()}
    for name in sorted(found, key=lambda name: (-len(found[name]), name)):
        if found[name] & missing:
            families.append(name)
            missing -= found[name]
    # Joiners are instructions to a font; nobody misses them.
    return families, frozenset(map(chr, missing)) - set(JOINERS)


def _installed() -> Dict[str, str]:
    """A file of each installed family, also of those installed after matplotlib made its list."""
    manager = font_manager.fontManager
    known = {entry.fname for entry in manager.ttflist}
    for path in set(font_manager.findSystemFonts()) - known:
        try:
            manager.addfont(path)
        except (OSError, RuntimeError, NotImplementedError):
            continue  # a font of pixels, such as most of emoji, or damaged: as matplotlib does
    entries = [entry for entry in manager.ttflist if not entry.name.startswith(BOXES)]
    return {entry.name: entry.fname for entry in entries}


@cache
def _characters_of(path: str) -> Set[int]:
    return set(font_manager.get_font(path).get_charmap())
