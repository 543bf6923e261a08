"""One look for all figures: colours that colour-blind readers tell apart, size, text, PNG."""

import base64
import io
import warnings
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from rcl_mm.report.fonts import shorten, use_fonts_for_texts

# Okabe and Ito, "Color Universal Design", 2008. Line style and marker differ too: no figure
# depends on colour alone.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
LINES = ('-', '--', '-.', ':')
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')
GROUP_COLOURS = {'many': '#56B4E9', 'medium': '#E69F00', 'few': '#D55E00', None: '#666666'}
GROUP_MARKERS = {'many': 'o', 'medium': 's', 'few': '^', None: 'o'}

STYLE = {
    'font.size': 10,
    # A name is drawn as it is, also one with two dollar signs.
    'text.parse_math': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'grid.color': '#e3e3e3',
    'grid.linewidth': 0.6,
    'axes.axisbelow': True,
    'legend.frameon': False,
    'legend.fontsize': 9,
    'lines.linewidth': 1.6,
    'svg.fonttype': 'none',
}
WIDTH, HEIGHT, DPI = 4.5, 3.4, 160
MANY_POINTS = 600


class Panel(NamedTuple):
    """One picture of the report, small enough to be read on a phone.

    Attributes:
        name (str): Name of its PNG file, without suffix.
        title (str): Heading above it.
        caption (str): What is drawn and how to read it.
        alt (str): What it shows, in words, for those who do not see it.
        png (bytes): The picture.
    """

    name: str
    title: str
    caption: str
    alt: str
    png: bytes

    @property
    def data_uri(self) -> str:
        """The picture inside an address, for a page without other files."""
        return png_uri(self.png)

    @property
    def size(self) -> Tuple[int, int]:
        """Width and height in pixels, from the header of the PNG."""
        return int.from_bytes(self.png[16:20]), int.from_bytes(self.png[20:24])


def draw_panel(
    name: str,
    title: str,
    caption: str,
    alt: str,
    draw: Callable[[Axes], None],
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Panel:
    """Draw one panel with the common style; ``draw`` gets its axes."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
        draw(figure.add_subplot())
        return Panel(name, title, caption, alt, figure_png(figure, alt))


def figure_png(figure: Figure, description: str) -> bytes:
    """A figure as PNG, its texts in fonts that have their characters.

    Args:
        figure (Figure): To be made and drawn in a context of :data:`STYLE`.
        description (str): What it shows, kept in the file.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # One for each character of each figure, where a line in the log says it all.
        warnings.filterwarnings('ignore', message=r'Glyph \d+')
        use_fonts_for_texts(figure)
        FigureCanvasAgg(figure).print_png(buffer, metadata={'Description': description})
    return buffer.getvalue()


def png_uri(png: bytes) -> str:
    """A PNG as a ``data:`` address."""
    return 'data:image/png;base64,' + base64.b64encode(png).decode()


def method_style(index: int) -> dict:
    """Colour and line style of the method at this place in the list."""
    return {
        'color': COLOURS[index % len(COLOURS)],
        'linestyle': LINES[(index + index // len(COLOURS)) % len(LINES)],
    }


def legend(axes: Axes, **options) -> None:
    """A legend, if there is anything to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**options)


def legend_label(name: str, more: str = '') -> str:
    """The name of a method in a legend, not too long for one."""
    # Matplotlib leaves out labels that begin with an underscore.
    return ('\u200b' if name.startswith('_') else '') + shorten(name, 30) + more


def frequency_axis(axes: Axes, counts: Sequence[int], many: int, few: int) -> None:
    """Logarithmic axis of training images per class, with the borders of the shot groups."""
    axes.set_xscale('log')
    axes.set_xlabel('training images of the class')
    low, high = max(1, np.min(counts)), np.max(counts)
    for border in (few, many):
        if low < border < high:
            axes.axvline(border, color='#999999', linewidth=0.8, linestyle=':')
    axes.set_xlim(low / 1.2, high * 1.2)
    steps = (1, 2, 5) if high / low < 2000 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FormatStrFormatter('%g'))
    axes.xaxis.set_minor_locator(NullLocator())


def smooth_over_frequency(
    counts: np.ndarray, values: np.ndarray, points: int = 80
) -> Tuple[np.ndarray, np.ndarray]:
    """Gaussian kernel mean of per-class values over log10 of the training count.

    Args:
        counts (np.ndarray): Training images per class, shape (C, ).
        values (np.ndarray): One value per class, shape (C, ); NaN are left out.
        points (int): Points of the curve. Defaults to 80.

    Returns:
        tuple[np.ndarray, np.ndarray]: Counts and smoothed values, shape (points, ); empty with
        fewer than two classes.
    """
    known = ~np.isnan(values) & (counts > 0)
    if known.sum() < 2:
        return np.empty(0), np.empty(0)
    place, values = np.log10(counts[known]), values[known]
    width = max(0.1, (place.max() - place.min()) / 12)
    grid = np.linspace(place.min(), place.max(), points)
    weights = np.exp(-0.5 * ((grid[:, None] - place[None, :]) / width) ** 2)
    return 10**grid, (weights @ values) / weights.sum(axis=1)


def scatter_options(number: int) -> dict:
    """Size and transparency of points, so that thousands stay readable."""
    if number <= 60:
        return {'s': 22, 'alpha': 0.85, 'linewidths': 0}
    if number <= MANY_POINTS:
        return {'s': 10, 'alpha': 0.5, 'linewidths': 0}
    return {'s': 4, 'alpha': 0.25, 'linewidths': 0}


def draw_classes(axes: Axes, counts: np.ndarray, values: np.ndarray, index: int, name: str) -> None:
    """Per-class values of one method over frequency: points, and their smoothed line.

    Thousands of points would be a blot: above 600 classes the middle half of each fortieth of the
    classes is shaded instead.

    Args:
        axes (Axes): Where to draw.
        counts (np.ndarray): Training images per class, shape (C, ).
        values (np.ndarray): One value per class, shape (C, ).
        index (int): Place of the method in the list, for its style.
        name (str): Name of the method, for the legend.
    """
    style = method_style(index)
    known = np.flatnonzero(~np.isnan(values))
    if len(known) <= MANY_POINTS:
        options = scatter_options(len(known))
        options['alpha'] *= 0.6
        marker = MARKERS[index % len(MARKERS)]
        axes.scatter(counts[known], values[known], color=style['color'], marker=marker, **options)
    else:
        order = known[np.argsort(counts[known], kind='stable')]
        parts = np.array_split(order, 40)
        low, high = np.array([np.percentile(values[part], [25, 75]) for part in parts]).T
        place = [np.exp(np.log(counts[part]).mean()) for part in parts]
        axes.fill_between(place, low, high, color=style['color'], alpha=0.18, linewidth=0)
    axes.plot(*smooth_over_frequency(counts, values), **style, label=legend_label(name))


def points_caption(number: int) -> str:
    """What :func:`draw_classes` drew, in words."""
    if number <= MANY_POINTS:
        return 'A point is a class; a line is the mean of its neighbours'
    return 'Shaded: the middle half of classes of like frequency; a line is their mean'


def percent(value: Optional[float], digits: int = 1) -> str:
    """A figure for text; "none" where it is not defined."""
    return 'none' if value is None or np.isnan(value) else f'{value:.{digits}f}'


def sentence_list(parts: List[str]) -> str:
    """Clauses as one sentence for an alt text."""
    return '; '.join(parts) + '.' if parts else ''
