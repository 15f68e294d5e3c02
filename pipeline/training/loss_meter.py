"""The loss of a training while it runs: a bar on a terminal, a line now and then in a log."""

import sys
import time

from tqdm import tqdm

EVERY = 10.0  # seconds between lines where there is no terminal


class LossMeter:
    """Called after each epoch with epochs done, epochs in all and the loss."""

    def __init__(self, title: str, *, unit: str = "epoch") -> None:
        """Start the clock; nothing is shown before the first call."""
        self._title, self._unit = title, unit
        self._bar: tqdm | None = None
        self._started = self._told = time.monotonic()

    def __call__(self, done: int, total: int, loss: float) -> None:
        """Show how far the training is."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = tqdm(total=total, desc=self._title, unit=self._unit, leave=False)
            self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if done == total or now - self._told >= EVERY:
            self._told = now
            left = (now - self._started) / done * (total - done)
            print(
                f"{self._title}: {self._unit} {done}/{total}, loss {loss:.4f}, "
                f"{now - self._started:.0f} s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> "LossMeter":
        """Return the meter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away, whatever happened."""
        if self._bar is not None:
            self._bar.close()
