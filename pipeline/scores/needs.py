"""What a score takes besides features and heads, as its page declares it in ``NEEDS``.

Whoever must know a kind of score reads this: checks of the parameters, which see a missing part
before anything runs, the search, which one score can share with another, and the report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Fitted = Literal["gaussians", "residuals", "head_statistics"]
FITTED: tuple[str, ...] = get_args(Fitted)


@dataclass(frozen=True)
class Needs:
    """The declaration of one page; none of it where a head's logits are all.

    Attributes:
        text: Class embeddings, which a backbone without text tower does not have.
        linear_head: Its ``head`` must be linear in the features. The zero-shot head is not, and the
            tables say so.
        neighbours: How its parameter ``k`` counts rows of the bank, or of the sample that its
            ``alpha``, ``balanced`` and ``seed`` draw. ``nearest``: the score is about the k-th, so
            that a single k which the bank does not have is an error, and one search of the whole
            bank serves all such scores. ``guides``: k rows are weighed in a search of its own, and
            a bank of fewer makes the score not applicable.
        fitted: By parameter, the entry of section ``fit`` that must hold its value.
    """

    text: bool = False
    linear_head: bool = False
    neighbours: Literal["nearest", "guides"] | None = None
    fitted: Mapping[str, Fitted] = field(default_factory=dict)
