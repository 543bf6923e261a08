"""What the worst classes are taken for: heat map and example images."""

from typing import List, NamedTuple

import cv2
import numpy as np

from rcl_mm.evaluation.example_images import Confusion, choose_examples
from rcl_mm.evaluation.results import Results
from rcl_mm.report.figure_style import Panel, draw_panel, png_uri, sentence_list
from rcl_mm.report.fonts import shorten
from rcl_mm.report.methods import Method

WHOLE_MATRIX = 20
WORST_ROWS = 12


class ExampleCard(NamedTuple):
    """A confused class for the page: words and images (``data:`` address and alt text)."""

    title: str
    text: str
    images: List[tuple]


def confusion_panel(method: Method) -> Panel:
    """Row-normalised confusion matrix, or with many classes that of the worst ones."""
    results = method.results[0]
    size = results.num_classes
    examples = choose_examples(results)
    if size <= WHOLE_MATRIX:
        rows = columns = np.arange(size)
    else:
        rows = np.array([example.true for example in examples[:WORST_ROWS]], dtype=np.int64)
        columns = _columns(results, rows)
    cells = np.zeros((len(rows), len(columns)))
    for place, row in enumerate(rows):
        predicted = np.bincount(results.predicted[results.target == row], minlength=size)
        cells[place] = 100 * predicted[columns] / max(1, predicted.sum())

    words = [_words(results, example) for example in examples[:5]]

    def draw(axes) -> None:
        image = axes.imshow(cells, cmap='Blues', vmin=0, vmax=100, aspect='auto')
        axes.figure.colorbar(image, ax=axes, shrink=0.85, label='percent of the class')
        axes.set_xticks(range(len(columns)), [shorten(results.classes[c], 12) for c in columns])
        axes.set_yticks(range(len(rows)), [shorten(results.classes[r], 12) for r in rows])
        if max((len(results.classes[c]) for c in columns), default=0) > 3:
            axes.tick_params(axis='x', rotation=90)
        axes.tick_params(labelsize=7)
        axes.grid(visible=False)
        axes.set_xlabel('predicted')
        axes.set_ylabel('true class')
        for (y, x), value in np.ndenumerate(cells):
            if value >= 0.5 and cells.size <= 260:
                colour = 'white' if value > 55 else 'black'
                axes.text(x, y, f'{value:.0f}', ha='center', va='center', fontsize=6, color=colour)

    which = (
        'All classes.'
        if size <= WHOLE_MATRIX
        else (
            f'The {len(rows)} classes with the lowest accuracy, and what they are taken for most.'
        )
    )
    return draw_panel(
        f'confusion_{method.name}',
        f'{method.name}: confusion',
        f'{which} A row adds up to 100 percent over all classes.',
        f'Confusion matrix of {method.name}: ' + sentence_list(words),
        draw,
        height=4.2,
    )


def _columns(results: Results, rows: np.ndarray, limit: int = 20) -> np.ndarray:
    """The rows' own classes and those they are most often taken for."""
    wrong = np.isin(results.target, rows) & (results.target != results.predicted)
    taken = np.bincount(results.predicted[wrong], minlength=results.num_classes)
    taken[rows] = 0
    others = np.argsort(-taken, kind='stable')[: max(0, limit - len(rows))]
    return np.concatenate([rows, others[taken[others] > 0]])


def example_cards(method: Method) -> List[ExampleCard]:
    """The worst classes: images that were mistaken, and one of the class they were taken for."""
    results = method.results[0]
    cards = []
    for example in choose_examples(results):
        true, other = (results.classes[c] for c in (example.true, example.predicted))
        images = [
            (png_uri(encode_png(results.thumbnails[p])), f'{true}, taken for {other}', 'mistaken')
            for p in example.mistaken
            if p in results.thumbnails
        ]
        images += [
            (png_uri(encode_png(results.thumbnails[p])), f'a {other}, for comparison', 'reference')
            for p in example.reference
            if p in results.thumbnails
        ]
        trained = ''
        if results.train_counts is not None:
            trained = f'{results.train_counts[example.true]} training images. '
        right = int(np.sum(results.predicted[results.target == example.true] == example.true))
        cards.append(
            ExampleCard(
                true,
                f'{trained}{right} of {example.total} test images right; {example.count} taken for '
                f'{other}.',
                images,
            )
        )
    return cards


def _words(results: Results, example: Confusion) -> str:
    true, other = (results.classes[c] for c in (example.true, example.predicted))
    return f'{true} is taken for {other} in {100 * example.count / example.total:.0f} percent'


def encode_png(image: np.ndarray) -> bytes:
    """An RGB image (H, W, 3) uint8 as PNG."""
    done, buffer = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f'an image of shape {image.shape} can not be encoded')
    return buffer.tobytes()
