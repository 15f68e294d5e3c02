"""Progress of a long stage: one bar in a terminal, a line every ten seconds elsewhere."""

import sys
import time
from typing import Any

HEARTBEAT = 10.0  # seconds


class Progress:
    """Counts images, or other units; shows done, total, units/s or a note, and the time left."""

    def __init__(
        self,
        name: str,
        total: int,
        *,
        units: str = "images",
        done: int = 0,
        stream: Any = None,
        every: float | None = None,
    ) -> None:
        """Start counting.

        Args:
            name: What is being done.
            total: Units in all.
            units: What is counted, in the plural.
            done: Units finished by earlier runs; they do not count as speed.
            stream: Where to show it; None for standard error.
            every: Seconds between two lines; None for 0.2 in a terminal and 10 elsewhere.
        """
        self.name, self.total, self.done, self.before = name, total, done, done
        self.units, self.note = units, ""  # a note stands in place of the speed
        self.stream = stream or sys.stderr
        self.bar = self.stream.isatty()
        self.every = every if every is not None else (0.2 if self.bar else HEARTBEAT)
        self.started = self.shown = time.monotonic()

    def advance(self, units: int) -> None:
        """Count what was finished; show it if it is time."""
        self.done += units
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self._show(self.line())

    def line(self) -> str:
        """Return the present state in one line."""
        rate = self.rate()
        left = clock((self.total - self.done) / rate) if rate > 0 else "?"
        said = self.note or f"{rate:,.0f}/s"
        return f"{self.name}: {self.done:,} of {self.total:,} {self.units}, {said}, {left} left"

    def rate(self) -> float:
        """Return units per second of this run."""
        return (self.done - self.before) / max(self.seconds(), 1e-9)

    def seconds(self) -> float:
        """Return how long this run has counted."""
        return time.monotonic() - self.started

    def close(self, last: str | None = None) -> None:
        """End the bar; leave one last line."""
        if self.bar:
            self.stream.write("\r\x1b[K")
        if last:
            self.stream.write(last + "\n")
        self.stream.flush()

    def __enter__(self) -> "Progress":
        """Return the progress."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away, whatever happened."""
        self.close()

    def _show(self, text: str) -> None:
        if self.bar:
            filled = round(20 * self.done / max(self.total, 1))
            self.stream.write(f"\r\x1b[K{'█' * filled}{'·' * (20 - filled)} {text}")
        else:
            self.stream.write(text + "\n")
        self.stream.flush()


def clock(seconds: float) -> str:
    """Return 42 s, 3:07 or 2:03:07."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
