"""Computes the coordinates of the score plot, the bars and the map; templates write them as SVG.

Coordinates are in the SVG's user units, which are pixels at the drawing's natural size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import cos, floor, hypot, log10, radians
from typing import Any, Literal

PLOT_WIDTH, PLOT_HEIGHT, PLOT_MARGIN = 600, 160, 34
MAP_WIDTH, MAP_HEIGHT, MAP_MARGIN = 900, 620, 60
LETTER_WIDTH, LINE_HEIGHT = 11, 21
DIGIT_WIDTH, DIGIT_HEIGHT = 30, 44  # of the numbers that a phone shows instead of names
BESIDE = 2 / 7  # a name beside its circle has its baseline this part of a line below the circle's middle


@dataclass(frozen=True)
class ScorePlot:
    """Points (frame, x, y, score) of the scored frames, and the heights of the threshold and the confidence."""

    points: list[tuple[int, float, float, float]]
    threshold_y: float
    mean_y: float

    @property
    def line(self) -> str:
        """The points as an SVG polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for _, x, y, _ in self.points)


def score_plot(frames: Sequence[Any], threshold: float, confidence: float) -> ScorePlot:
    """The plot of the scores (0 to 1) of one sequence's frames."""
    step = (PLOT_WIDTH - 2 * PLOT_MARGIN) / max(1, len(frames) - 1)
    points = [
        (frame.n, PLOT_MARGIN + index * step, _y(frame.score), frame.score)
        for index, frame in enumerate(frames)
        if frame.score is not None
    ]
    return ScorePlot(points, _y(threshold), _y(confidence))


def _y(score: float) -> float:
    return PLOT_HEIGHT - PLOT_MARGIN / 2 - score * (PLOT_HEIGHT - PLOT_MARGIN)


def bars(counts: Sequence[int], width: float, height: float) -> list[tuple[float, float, float, float, int]]:
    """(x, y, width, height, count) of one bar for each count; the highest bar fills the height."""
    most, step = max([1, *counts]), width / max(1, len(counts))
    return [
        (index * step, height - height * count / most, step * 0.86, height * count / most, count)
        for index, count in enumerate(counts)
    ]


@dataclass
class PlaceMark:
    """A deployment on the map: its circle, whose area grows with its sightings, and the position of its name.

    The name begins (`anchor` is start) or ends (end) at `label_x`, `label_y`.
    """

    x: float
    y: float
    radius: float
    place: Any
    count: int
    label_x: float = 0.0
    label_y: float = 0.0
    anchor: Literal["start", "end"] = "start"
    number: int = 0  # shown instead of the name, unless 0

    @property
    def letter(self) -> tuple[int, int]:
        """Largest width of a letter, and its height."""
        return (DIGIT_WIDTH, DIGIT_HEIGHT) if self.number else (LETTER_WIDTH, LINE_HEIGHT)

    @property
    def label(self) -> str:
        """The trap's name with its number of sightings; or only `number`."""
        if self.number:
            return str(self.number)
        return f"{self.place.trap}: {self.count}" if self.count else str(self.place.trap)

    @property
    def label_box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the name."""
        left, height = self.label_x - (self.label_width if self.anchor == "end" else 0), self.letter[1]
        return left, self.label_y - 5 / 7 * height, left + self.label_width, self.label_y + 5 / 21 * height

    @property
    def label_width(self) -> float:
        """The largest width of the name."""
        return self.letter[0] * len(self.label)

    @property
    def leader(self) -> tuple[float, float, float, float] | None:
        """(x, y, x, y) of a line from the name to the rim of its circle; None if they are side by side."""
        if self.label_y == self.y + BESIDE * self.letter[1]:
            return None
        left, top, right, bottom = self.label_box
        x, y = min(max(self.x, left), right), bottom if bottom < self.y else top
        part = self.radius / max(self.radius, hypot(x - self.x, y - self.y))
        return x, y, self.x + part * (x - self.x), self.y + part * (y - self.y)

    @property
    def ring(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the circle."""
        return self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius


@dataclass(frozen=True)
class StationMap:
    """The map's places, with names and with numbers; its graticule lines as (position, degrees as text); its scale."""

    places: list["PlaceMark"]
    numbers: list["PlaceMark"]
    meridians: list[tuple[float, str]]
    parallels: list[tuple[float, str]]
    scale_px: float
    scale_km: float


@dataclass(frozen=True)
class _Projection:
    """An equirectangular projection around a point; `degree_px` pixels are one degree of latitude.

    `shrink` is the length of a degree of longitude in degrees of latitude, at that point.
    """

    latitude: float
    longitude: float
    shrink: float
    degree_px: float

    def x(self, longitude: float) -> float:
        return float(MAP_WIDTH / 2 + (longitude - self.longitude) * self.shrink * self.degree_px)

    def y(self, latitude: float) -> float:
        return float(MAP_HEIGHT / 2 - (latitude - self.latitude) * self.degree_px)


def station_map(deployments: Sequence[Any], sightings: dict[str, int]) -> StationMap | None:
    """An equirectangular map of the deployments, true to scale at their middle latitude; None without deployments.

    `sightings` has the number of sightings of each deployment, by its id.
    """
    if not deployments:
        return None
    at = _projection(deployments)
    most = max([1, *sightings.values()])
    placed = [
        PlaceMark(at.x(d.longitude), at.y(d.latitude), 8 + 22 * ((n := sightings.get(d.id, 0)) / most) ** 0.5, d, n)
        for d in deployments
    ]
    numbers = [replace(mark, number=index) for index, mark in enumerate(placed, 1)]
    place_labels(placed)
    place_labels(numbers)
    half_x, half_y = MAP_WIDTH / 2 / at.shrink / at.degree_px, MAP_HEIGHT / 2 / at.degree_px
    scale_km = _round_step(111.32 * (MAP_HEIGHT - 2 * MAP_MARGIN) / at.degree_px / 3)
    return StationMap(
        placed,
        numbers,
        [
            (at.x(degree), _degrees(degree, "E", "W"))
            for degree in _graticule(at.longitude - half_x, at.longitude + half_x)
        ],
        [
            (at.y(degree), _degrees(degree, "N", "S"))
            for degree in _graticule(at.latitude - half_y, at.latitude + half_y)
        ],
        scale_km / 111.32 * at.degree_px,
        scale_km,
    )


def _projection(deployments: Sequence[Any]) -> _Projection:
    latitudes, longitudes = [d.latitude for d in deployments], [d.longitude for d in deployments]
    latitude, longitude = (min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2
    shrink = max(0.05, cos(radians(latitude)))
    span = max((max(latitudes) - min(latitudes)) * 1.2, (max(longitudes) - min(longitudes)) * shrink * 0.9, 0.02)
    return _Projection(latitude, longitude, shrink, (MAP_HEIGHT - 2 * MAP_MARGIN) / span)


def place_labels(marks: Sequence[PlaceMark]) -> None:
    """Place each name near its circle, on the map, where it covers no other name and no circle, if there is room."""
    taken = [mark.ring for mark in marks]
    for mark in sorted(marks, key=lambda mark: (mark.y, mark.x)):
        for x, y, anchor in (*_beside(mark), next(_beside(mark))):  # the first position again if none is free
            mark.label_x, mark.label_y, mark.anchor = x, y, anchor
            if _is_on_map(mark.label_box) and not any(_overlap(mark.label_box, other) for other in taken):
                break
        taken.append(mark.label_box)


def _beside(mark: PlaceMark) -> Iterator[tuple[float, float, Literal["start", "end"]]]:
    """The possible positions (x, y, anchor) of a name: right, left, then line by line farther below and above."""
    right, left = mark.x + mark.radius + 5, mark.x - mark.radius - 5
    height = mark.letter[1]
    for line in range(12):
        for y in (mark.y + (BESIDE + line) * height, mark.y + (BESIDE - line) * height):
            yield right, y, "start"
            yield left, y, "end"
            if line:
                yield mark.x - mark.label_width / 2, y, "start"


def _is_on_map(box: tuple[float, float, float, float]) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= MAP_WIDTH and box[3] <= MAP_HEIGHT


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _graticule(low: float, high: float) -> list[float]:
    step = _round_step((high - low) / 4)
    first = floor(low / step) + 1
    return [round(n * step, 6) for n in range(first, floor(high / step) + 1)]


def _round_step(value: float) -> float:
    """The largest number of the form 1, 2 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * 1.000001)


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):g}° {positive if value >= 0 else negative}"
