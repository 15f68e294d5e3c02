"""Section ``craft`` of params.yaml: what crafted data sets share."""

from dataclasses import dataclass
from typing import Any

from pipeline.attacks.spec import CraftSpec
from pipeline.params import from_mapping


@dataclass(frozen=True)
class PictureParams:
    """The contact sheet.

    Attributes:
        left: Crafted set shown on the left.
        right: Crafted set shown beside it.
        rows: Images of each.
    """

    left: str
    right: str
    rows: int = 6

    def __post_init__(self) -> None:
        """Refuse a sheet without pictures."""
        if self.rows < 1:
            raise ValueError(f"craft.pictures.rows must be at least 1, got {self.rows}")


@dataclass(frozen=True)
class CraftParams:
    """Section ``craft``.

    Attributes:
        surrogate: Backbone that is attacked where a crafted set names no other.
        pictures: The contact sheet.
        defaults: Entries of `CraftSpec` that every crafted set takes over unless it has its own.
    """

    surrogate: str
    pictures: PictureParams
    defaults: dict[str, Any]

    def __post_init__(self) -> None:
        """Refuse unknown defaults, though no set may use them."""
        neutral = {"ood": "", "smoothness": 0.0}  # a budget excludes smoothness, a set's own matter
        from_mapping(CraftSpec, neutral | self.defaults, section="craft.defaults")
