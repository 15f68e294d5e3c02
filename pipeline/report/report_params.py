"""Section ``report`` of params.yaml."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReportParams:
    """Section ``report``: what is shown first, and which optional records are quoted."""

    headline_methods: list[str]
    roc_method: str = "knn_1"
    duplicates: list[str] = field(default_factory=list)
    contact_sheets: list[str] = field(default_factory=list)
