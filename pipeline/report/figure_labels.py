"""Names beside the points of a figure, moved where they would cover a marker or each other."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.textpath import TextPath

FONTSIZE = 7.5
GAP = (4.0, 4.0)  # between a point and its label, in typographic points
REACHES = (1.0, 2.2, 3.4, 4.6)  # multiples of the gap that are tried in turn


class Box(NamedTuple):
    """A rectangle in typographic points, the origin at the lower left."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Return the area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def name_points(
    panel: Axes,
    places: Float[np.ndarray, "n 2"],
    names: Sequence[str],
    *,
    upwards: Sequence[bool],
    markersize: float,
    note: Text,
) -> None:
    """Write names beside points that are drawn already, off markers, other names and the note.

    Args:
        panel: Where all else is drawn, since the limits must stand before anything is measured.
        places: Of the points, in data coordinates.
        names: One for each point.
        upwards: Whether a name goes to the upper left of its point first, else to the lower right.
        markersize: Diameter of the markers in typographic points.
        note: A text of the panel, at its lower right.
    """
    if not names:
        return
    panel.autoscale_view()
    scale = 72 / panel.figure.dpi  # from pixels to typographic points
    points = scale * panel.transData.transform(places)
    width, height = text_size(note.get_text(), float(note.get_fontsize()))
    x, y = scale * note.get_transform().transform(note.get_position())
    boxes = place_labels(
        points,
        [text_size(name, FONTSIZE) for name in names],
        upwards=upwards,
        radius=markersize / 2 + 1,
        taken=[Box(x - width, y, x, y + height)],
        panel=Box(*(scale * np.array(panel.bbox.extents))),
    )
    for name, place, point, box in zip(names, places, points, boxes, strict=True):
        panel.annotate(
            name,
            tuple(place),
            xytext=(box.left - point[0], box.bottom - point[1]),
            ha="left",
            va="bottom",
            textcoords="offset points",
            fontsize=FONTSIZE,
            annotation_clip=False,
        )


@cache  # an outline is drawn to measure it, and tick labels repeat
def text_size(text: str, fontsize: float) -> tuple[float, float]:
    """Return width and height of a line of text in typographic points."""
    return float(TextPath((0, 0), text, size=fontsize).get_extents().x1), 1.2 * fontsize


def place_labels(
    points: Float[np.ndarray, "n 2"],
    sizes: Sequence[tuple[float, float]],
    *,
    upwards: Sequence[bool],
    radius: float,
    taken: Sequence[Box],
    panel: Box,
) -> list[Box]:
    """Give each point's label the nearest free place, one point after another.

    A label stands at a corner of its point: where it should go first, then at the opposite one
    (a line through the points runs between these), at the other two, then farther away. Where no
    place is free it takes the one that covers least.

    Args:
        points: Where the points are, in typographic points.
        sizes: Width and height of each label.
        upwards: Whether a label goes to the upper left first, else to the lower right.
        radius: Of the markers, which no label covers.
        taken: Further boxes that no label covers.
        panel: What the labels should stay in.

    Returns:
        The boxes of the labels.
    """
    obstacles = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    obstacles += taken
    placed: list[Box] = []
    for point, size, up in zip(points, sizes, upwards, strict=True):
        places = list(_places(point, size, up=up))
        covered = [
            sum(place.overlap(other) for other in (*obstacles, *placed))
            + (size[0] * size[1] - place.overlap(panel))
            for place in places
        ]
        free = [place for place, area in zip(places, covered, strict=True) if area < 1e-6]
        placed.append(free[0] if free else places[int(np.argmin(covered))])
    return placed


def _places(
    point: Float[np.ndarray, " 2"], size: tuple[float, float], *, up: bool
) -> Iterator[Box]:
    first = (-1, 1) if up else (1, -1)  # to the left or right, upwards or downwards
    turns = (first, (-first[0], -first[1]), (-first[0], first[1]), (first[0], -first[1]))
    for reach in REACHES:
        for across, upward in turns:
            x = point[0] + across * reach * GAP[0] - (size[0] if across < 0 else 0)
            y = point[1] + upward * reach * GAP[1] - (size[1] if upward < 0 else 0)
            yield Box(float(x), float(y), float(x + size[0]), float(y + size[1]))
