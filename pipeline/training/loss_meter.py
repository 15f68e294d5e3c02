"""The loss of a training while it runs: a bar on a terminal, a line now and then in a log."""

from pipeline.progress import Progress, clock


class LossMeter:
    """Called after each epoch with epochs done, epochs in all and the loss."""

    def __init__(self, title: str) -> None:
        """Start the clock; nothing is shown before the first call."""
        self._progress = Progress(title, 0, units="epochs")

    def __call__(self, done: int, total: int, loss: float) -> None:
        """Show how far the training is; a log keeps the last epoch."""
        progress = self._progress
        progress.total, progress.note = total, f"loss {loss:.4f}"
        if done == total and not progress.bar:
            took = clock(progress.seconds())
            progress.close(f"{progress.name}: {total:,} epochs, {progress.note}, {took}")
        else:
            progress.advance(done - progress.done)

    def __enter__(self) -> "LossMeter":
        """Return the meter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away, whatever happened."""
        self._progress.close()
