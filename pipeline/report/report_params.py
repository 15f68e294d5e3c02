"""Section ``report`` of params.yaml."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReportParams:
    """Section ``report``: what is shown first, and which optional records are quoted.

    Attributes:
        headline_methods: Rows of the headline table and lines of the ROC curves, in this order.
        roc_method: Drawn by `dvc plots`, one curve a set.
        duplicates: Data sets whose warnings about copies are quoted.
        contact_sheets: Paths of pictures of crafted images.
    """

    headline_methods: list[str]
    roc_method: str = "knn_1"
    duplicates: list[str] = field(default_factory=list)
    contact_sheets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a headline table without rows."""
        if not self.headline_methods:
            raise ValueError("report.headline_methods must name at least one method, got none")
