"""What the training of a probe holds in this machine's memory, counted before it starts."""

from dataclasses import dataclass

from pipeline.files import PIECE as HASHED
from pipeline.training.moments import PIECE
from pipeline.training.softmax_layer import CPU_ROWS

READ_ROWS = 512  # of the bank at a time
BLOCK_ROWS = 8192  # of the scratch file at a time
WINDOW_ROWS = 32 * BLOCK_ROWS  # shuffled together where memory allows


@dataclass(frozen=True)
class TrainingSize:
    """The sizes of one head's training; all results are in bytes.

    Attributes:
        rows: Training rows m.
        width: Feature width d.
        classes: Number of classes c.
        itemsize: Bytes of a value in the store.
        soft: Whether targets are probabilities [m c] instead of classes [m].
        batch_size: Rows of a step.
        on_gpu: Whether steps are made in a GPU's memory, not in this machine's.
    """

    rows: int
    width: int
    classes: int
    itemsize: int
    soft: bool
    batch_size: int
    on_gpu: bool = False

    @property
    def target(self) -> int:
        """Return the size of one row's target."""
        return 4 * self.classes if self.soft else 8

    @property
    def bank(self) -> int:
        """Return the size of all rows and targets, and of an epoch's order."""
        return self.rows * (4 * self.width + self.target + 8)

    @property
    def resident(self) -> int:
        """Return the size of a training with all rows in memory."""
        return self.bank + max(self.step, self.reading)

    @property
    def reading(self) -> int:
        """Return the size of one read: chunk as stored and as decoded, rows, a choice of them.

        And of the piece of the shard's file that is hashed at a time.
        """
        chunk = HASHED + 2 * max(READ_ROWS, 1024) * self.width * self.itemsize
        rows = 3 * READ_ROWS * self.width * 4 + 2 * PIECE * self.width * 8
        return chunk + rows + (4 * READ_ROWS * self.classes * 4 if self.soft else 0)

    @property
    def step(self) -> int:
        """Return the size of weights, gradients and Adam's moments, and of one batch's arrays."""
        if self.on_gpu:
            return 0
        layer = 4 * 4 * self.classes * (self.width + 1)
        values = self.width + self.classes * (2 if self.soft else 1)
        return layer + self.batch_size * (4 * values + 8) + 2 * 4 * CPU_ROWS * self.classes

    @property
    def streamed(self) -> int:
        """Return the size of the smallest training from a scratch file."""
        return max(
            self.step + self.waiting + min(self.rows, READ_ROWS) * self.window_row,
            self.reading + 8 * self.rows,
        )

    @property
    def least(self) -> int:
        """Return the size of the smallest training."""
        return min(self.resident, self.streamed)

    @property
    def window_row(self) -> int:
        """Return the size of one row of a window of the scratch file, with its place in line."""
        return self.width * self.itemsize + self.target + 8

    @property
    def waiting(self) -> int:
        """Return the size of a batch as stored, in front of the window and once as a copy."""
        return 2 * self.batch_size * self.window_row

    def window(self, limit: int, *, held: int = 0) -> int:
        """Return how many rows may be shuffled together under a limit.

        Args:
            limit: What may be held in all.
            held: Of it by labels and other heads already.

        Raises:
            ValueError: If the limit does not hold the smallest training; names what would.
        """
        check_limit(held + self.streamed, limit)
        fixed = held + self.step + self.waiting
        return min(self.rows, WINDOW_ROWS, (limit - fixed) // self.window_row)


def check_limit(need: int, limit: int, *, head: str = "") -> None:
    """Refuse a limit that does not hold a training.

    Args:
        need: What the smallest training takes, in bytes.
        limit: What may be held in all.
        head: Whose training it is, for the message.

    Raises:
        ValueError: If it does not; names what would, rounded up.
    """
    if need > limit:
        where = f"for the head '{head}'" if head else "here"
        least = -(-need * 10**6 // 2**30) / 10**6
        raise ValueError(
            f"probe.memory_gib must be at least {least:.6f}, which one batch, the weights and what "
            f"is read at a time take {where}, got "
            f"{limit / 2**30:.6f}; raise it, or lower probe.batch_size"
        )
