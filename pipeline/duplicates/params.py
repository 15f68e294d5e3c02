"""Section ``duplicates`` of params.yaml: from when on two images count as the same."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DuplicateParams:
    """Section ``duplicates`` of params.yaml.

    Attributes:
        threshold: Cosine of features from which two images count as nearly the same.
        largest: Most pairs to compare by features for two sets, in millions.
        shown: Pairs listed for two sets.
        pictures: Pairs on the sheet.
    """

    threshold: float = 0.99
    largest: int = 200_000
    shown: int = 20
    pictures: int = 24

    def __post_init__(self) -> None:
        """Refuse values that find nothing, or everything."""
        if not 0 < self.threshold <= 1:
            raise ValueError(f"duplicates.threshold must be in (0, 1], got {self.threshold}")
        for name in ("largest", "shown", "pictures"):
            if getattr(self, name) < 0:
                raise ValueError(f"duplicates.{name} must be 0 or more, got {getattr(self, name)}")
