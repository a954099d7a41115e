"""What a sample says while it is reviewed, in one line that every window shows.

Each decision costs the look at one picture's marks, and a bound that costs as much as there are pictures that show
something; never as much as there are pictures.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Self

from blur_tools.audit._items import FINISHED, Item
from blur_tools.audit._measured import is_exposed
from blur_tools.audit._population import text_of
from blur_tools.audit._sample_bounds import HIDDEN_AT, percent
from blur_tools.audit._table import Table
from blur_tools.audit.bounds import running_bound_at, running_needed_at
from blur_tools.audit.sampling import SAMPLE_COLUMNS, is_true
from blur_tools.batch.columns import cells_of
from blur_tools.detections import Detections
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["SampleProgress", "what_to_do"]

CLAIM, LEVEL = 0.99, 0.95
"""The share of pictures that is to show nothing, and the confidence, for which it is said how many more are needed."""

OPEN, DECIDED, LOOKED = range(3)
"""What is known of a picture: nobody has decided; somebody has; and it is known whether it shows something."""


class SampleProgress:
    """How far the review of a sample is, and what it says of the run so far: `measure` in one line.

    It takes the word of the sample's columns; only `measure`, which is given the run's table, sees whether they are
    true. As there, pictures behind the first one without a decision do not count.

    Parameters
    ----------
    keys : sequence of str
        The pictures in the order of the draw.
    strata : sequence of str
        The stratum of each.
    sizes : mapping of str to int
        Pictures of the run in each stratum.
    found : sequence
        What the run found in each, as text.
    items : mapping of str to Item
        The review's pictures as they stand at any time.
    blind : bool
        Whether the reviewer is not shown what the run found.
    """

    def __init__(
        self,
        keys: Sequence[str],
        strata: Sequence[str],
        sizes: Mapping[str, int],
        found: Sequence[Any],
        items: Mapping[str, Item],
        blind: bool = False,
    ) -> None:
        self.blind = blind
        self._keys, self._strata, self._sizes, self._found, self._items = keys, strata, sizes, found, items
        self._places = {key: place for place, key in enumerate(keys)}
        self._rows: dict[str, list[int]] = {stratum: [] for stratum in sizes}
        self._local = []
        for place, stratum in enumerate(strata):
            self._local.append(len(self._rows[stratum]))
            self._rows[stratum].append(place)
        self._exposed: dict[str, list[int]] = defaultdict(list)
        self._states = bytearray(DECIDED if self._is_decided(key) else OPEN for key in keys)
        self._decided = sum(map(bool, self._states))
        self._rest = list(range(len(keys)))  # a heap of all that are not LOOKED
        self._settings: BlurSettings | None = None
        self._said: str | None = None

    @classmethod
    def of(cls, table: Table | None, items: Mapping[str, Item]) -> Self | None:
        """The progress of a review, None where its table is no sample."""
        if table is None or not set(SAMPLE_COLUMNS) <= set(table.frame.columns):
            return None
        keys = [key for key in table.keys if key is not None]
        columns = {name: cells_of(table.frame[name]) for name in SAMPLE_COLUMNS}
        strata = [text_of(cell) for cell in columns["sample_stratum"]]
        try:
            sizes = dict(zip(strata, map(int, columns["sample_population"]), strict=True))
            whole = [*map(int, columns["sample_place"])] == [*range(1, len(keys) + 1)] == [*range(1, len({*keys}) + 1)]
            drawn = int(columns["sample_size"][0]) if keys else 0
        except (TypeError, ValueError):
            return None
        if not keys or not whole or drawn != len(keys) or any(n > sizes[name] for name, n in Counter(strata).items()):
            return None
        return cls(keys, strata, sizes, columns["run_detections"], items, is_true(columns["sample_blind"][0]))

    def note(self, key: str, what: str) -> None:
        """A picture has changed; what a session tells its observers."""
        place = self._places.get(key)
        if place is None or what in ("position", "order"):
            return
        self._said = None
        before, now = self._states[place], DECIDED if self._is_decided(key) else OPEN
        if before == LOOKED:
            self._forget(place)
            heapq.heappush(self._rest, place)
        self._decided += (now != OPEN) - (before != OPEN)
        self._states[place] = now

    def text(self, settings: BlurSettings, seconds: float = float("inf")) -> str:
        """The line for a person.

        Parameters
        ----------
        settings : BlurSettings
            As the results were made: they say where regions are.
        seconds : float
            Longest time that is spent on looking at what was decided before; `is_whole` says whether it was enough.
        """
        wanted = settings.or_default(DEFAULT_INTENSITY)
        if wanted != self._settings:
            self._begin_anew(wanted)
        if self._said is None or not self.is_whole:
            self._look(wanted, seconds)
            self._said = self._line()
        return self._said

    @property
    def is_whole(self) -> bool:
        """Whether everything that counts was looked at."""
        return not self._rest or self._states[self._rest[0]] == OPEN

    def _is_decided(self, key: str) -> bool:
        return self._items[key].decision in (*FINISHED, "flagged")

    def _begin_anew(self, settings: BlurSettings) -> None:
        self._settings, self._said = settings, None
        self._exposed.clear()
        self._states = bytearray(min(state, DECIDED) for state in self._states)
        self._rest = list(range(len(self._keys)))

    def _forget(self, place: int) -> None:
        exposed, local = self._exposed[self._strata[place]], self._local[place]
        at = bisect_left(exposed, local)
        if at < len(exposed) and exposed[at] == local:
            exposed.pop(at)

    def _look(self, settings: BlurSettings, seconds: float) -> None:
        """Look at all pictures up to the first without a decision; at one at least, so that it comes to an end."""
        end = time.monotonic() + seconds
        while not self.is_whole:
            place = self._rest[0]
            if self._shows(place, settings):
                insort(self._exposed[self._strata[place]], self._local[place])
            self._states[place] = LOOKED
            heapq.heappop(self._rest)
            if time.monotonic() > end:
                return

    def _shows(self, place: int, settings: BlurSettings) -> bool:
        item = self._items[self._keys[place]]
        if item.decision == "flagged" or not item.marks:
            return item.decision == "flagged"
        found = Detections.from_json(self._found[place])
        return is_exposed(item.source, item.detections, found, settings, HIDDEN_AT)

    def _line(self) -> str:
        reviewed, population = self._rest[0] if self._rest else len(self._keys), sum(self._sizes.values())
        parts = [f"{reviewed:,} of {len(self._keys):,} looked at"]
        seen = {name: bisect_left(rows, reviewed) for name, rows in self._rows.items()}
        exposed = {name: self._exposed[name][: bisect_left(self._exposed[name], seen[name])] for name in seen}
        if reviewed == population:
            parts.append(f"{sum(map(len, exposed.values())):,} of all {population:,} pictures exposed")
        elif reviewed:
            each = 1 - (1 - LEVEL) / len(seen)  # as `summarize`: all strata's bounds hold at once
            most = sum(n * running_bound_at(exposed[name], seen[name], n, each) for name, n in self._sizes.items())
            parts.append(f"at most {percent(most / population)} of the run's pictures exposed, at {100 * LEVEL:g} %")
        if len(seen) == 1 and reviewed < population:
            needed = running_needed_at(CLAIM, next(iter(exposed.values())), reviewed, population, LEVEL)
            parts.append(_more(None if needed is None else needed - reviewed))
        if not self.is_whole:
            parts.append("counting …")
        elif behind := self._decided - reviewed:
            parts.append(f"{behind:,} behind the first open one do not count yet")
        return " · ".join(parts)


def _more(more: int | None) -> str:
    claim = f"at most {100 * (1 - CLAIM):g} %"
    if more is None:
        return f"{claim} cannot be claimed any more"
    return f"{more:,} more without a miss for {claim}" if more else f"{claim} can be claimed"


def what_to_do(item: Item, sample: SampleProgress | None) -> str:
    """A sentence for the reviewer, with a space before it: what to look at, or that a blind sample awaits marks."""
    if sample is not None and sample.blind and not item.marks and item.decision == "unreviewed":
        return " Mark all that is to be hidden; what the run found is not shown."
    return f" Look at it: {', '.join(item.reasons)}." if item.reasons else ""
