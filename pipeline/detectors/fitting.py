"""What a detector learns from the bank: Gaussians, residual spaces, head statistics, clipping."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float64, Int

from pipeline.detectors.clusters import kmeans
from pipeline.detectors.gaussians import ClassGaussians, one_hot
from pipeline.detectors.head_rows import Head, logits_of
from pipeline.detectors.quantile import exact_quantile
from pipeline.detectors.rounding import rounding_covariance
from pipeline.detectors.row_blocks import sum_blocks
from pipeline.detectors.rows import Rows, held, unit_rows
from pipeline.detectors.softmax import as_logits, log_sum_exp
from pipeline.detectors.subspace import NoResidualError, ResidualSpace, vanishing_point
from pipeline.training.heads import Probe


@dataclass(frozen=True)
class GaussianSpec:
    """One entry of ``fit.gaussians``.

    Attributes:
        classes: What the rows are grouped by.
        space: ``features``, or the name of a head whose logits are taken; ``zero_shot`` is one.
        norm: ``stored`` as they are, or scaled to ``unit`` norm.
        shrinkage: See `pipeline.detectors.shrinkage.invertible`.
        clusters: For k-means; null for as many as there are classes.
        seed: For k-means.
        restarts: For k-means: of how many starts the best is taken.
    """

    classes: Literal["labels", "pseudo_labels", "kmeans"] = "labels"
    space: str = "features"
    norm: Literal["stored", "unit"] = "stored"
    shrinkage: Literal["auto", "none", "ledoit_wolf", "oas"] = "auto"
    clusters: int | None = None
    seed: int = 0
    restarts: int = 10

    def __post_init__(self) -> None:
        """Refuse numbers that no k-means can have."""
        if self.clusters is not None and self.clusters < 1:
            raise ValueError(
                "clusters of an entry of fit.gaussians must be at least 1, or null for as many as "
                f"there are classes, got {self.clusters}"
            )
        if self.restarts < 1:
            raise ValueError(
                f"restarts of an entry of fit.gaussians must be at least 1, got {self.restarts}"
            )
        if self.seed < 0:
            raise ValueError(
                f"seed of an entry of fit.gaussians must be 0 or more, got {self.seed}"
            )


@dataclass(frozen=True)
class FitParams:
    """Section ``fit``.

    Attributes:
        gaussians: By the name that methods refer to.
        residual_dimension: Of the principal subspaces; null for ViM's rule.
        residuals: Spaces to fit: ``mean``, and heads for ViM.
        head_statistics: Heads whose energies and posteriors on the bank are kept; ``zero_shot``
            is one.
        clip_quantile: ReAct's threshold among all activations of the bank.
    """

    gaussians: dict[str, GaussianSpec] = field(default_factory=lambda: {"labels": GaussianSpec()})
    residual_dimension: int | None = None
    residuals: list[str] = field(default_factory=lambda: ["mean"])
    head_statistics: list[str] = field(default_factory=list)
    clip_quantile: float = 0.9

    def __post_init__(self) -> None:
        """Refuse numbers that nothing can be fitted with."""
        if self.residual_dimension is not None and self.residual_dimension < 1:
            raise ValueError(
                "fit.residual_dimension must be at least 1, or null for ViM's rule, got "
                f"{self.residual_dimension}"
            )
        if not 0 < self.clip_quantile < 1:
            raise ValueError(f"fit.clip_quantile must be in (0, 1), got {self.clip_quantile}")


class NoClassError(ValueError):
    """No pseudo-class or cluster is large enough for a Gaussian."""


def fit_gaussians(
    features: Float[Rows, "n d"],
    classes: Int[np.ndarray, " n"],
    spec: GaussianSpec,
    class_names: Sequence[str],
    *,
    dtype: str = "float32",
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one entry; rows of class -1 stay out.

    Args:
        features: The bank in the space and norm that it is stored in.
        classes: Of the rows, by labels or pseudo-labels; k-means looks at none.
        spec: The entry.
        class_names: Of the ID classes.
        dtype: That the store of the bank holds.

    Returns:
        Arrays of `ClassGaussians`, and facts: shrinkage, condition numbers, directions that vary
        no more than the store rounds, classes left out.

    Raises:
        ValueError: If a labelled class has fewer than two rows. Pseudo-classes and clusters with
            fewer are left out and listed.
        NoClassError: If none of these is left.
    """
    computed = unit_rows(features) if spec.norm == "unit" else features
    rows = held(computed)
    if spec.classes == "kmeans":
        number = len(class_names) if spec.clusters is None else spec.clusters
        classes = kmeans(rows, clusters=number, seed=spec.seed, restarts=spec.restarts)
    expected = len(class_names) if spec.classes != "kmeans" else int(classes.max()) + 1
    counts = np.bincount(classes[classes >= 0], minlength=expected)
    small = np.flatnonzero(counts < 2)
    if spec.classes == "labels" and len(small):
        name = class_names[small[0]] if small[0] < len(class_names) else "without a name"
        raise ValueError(
            f"each ID class needs at least two training rows, but class {small[0]} '{name}' has "
            f"{counts[small[0]]} ({len(small)} such classes); add images or leave the class out"
        )
    keep = (classes >= 0) & ~np.isin(classes, small)
    if not keep.any():
        raise NoClassError(f"no class by {spec.classes} has two rows; use a larger bank")
    gaussians, shared = ClassGaussians.fit(
        rows,
        np.where(keep, classes, -1),
        shrinkage=spec.shrinkage,
        rounding=rounding_covariance(computed, dtype=dtype),
    )
    singular = not np.isfinite(shared.condition_before)
    facts = asdict(spec) | {
        "rows": int(keep.sum()),
        "classes_fitted": len(gaussians.classes),
        "classes_left_out": [int(c) for c in small],
        "shrinkage_used": shared.shrinkage,
        "shrinkage_intensity": round(shared.intensity, 9),
        "directions_lost": shared.lost,
        "condition_number": float(f"{shared.condition:.4g}"),
        "condition_number_before_shrinking": None
        if singular
        else float(f"{shared.condition_before:.4g}"),
    }
    return vars(gaussians), facts


def fit_residuals(
    features: Float[Rows, "n d"],
    head: Probe | None,
    *,
    dimension: int | None,
    rounding: Float[np.ndarray, "d d"] | None = None,
) -> dict[str, np.ndarray]:
    """Fit a residual space around the mean, or ViM's around a head's vanishing point.

    Args:
        features: Of the bank.
        head: None for the mean.
        dimension: Of the principal subspace; None for ViM's rule.
        rounding: Covariance that rounding may have put into the features; None for none.

    Returns:
        ``origin``, ``basis``, and with a head ``scale``: mean largest logit over mean residual.

    Raises:
        NoResidualError: If the bank leaves no residual but rounding, or the scale is not positive:
            a residual would then speak for the ID classes. Few images or a shifted head are no
            fault of the parameters, so fit says that the part does not apply, and why.
    """
    if head is None:
        return vars(ResidualSpace.fit(features, dimension=dimension, rounding=rounding))
    # one linear layer on raw features: W (x - mean) / std + b
    weight = head.weight.astype(np.float64) / head.std
    space = ResidualSpace.fit(
        features,
        origin=vanishing_point(weight, head.bias - weight @ head.mean),
        dimension=dimension,
        rounding=rounding,
    )

    def largest_and_residual(_: Any, block: np.ndarray) -> tuple:
        residuals = np.linalg.norm((block - space.origin) @ space.basis, axis=1)
        return as_logits(head.logits(block)).max(axis=1).sum(), residuals.sum()

    largest, residual = sum_blocks(features, largest_and_residual)
    if largest <= 0:
        raise NoResidualError(
            "ViM's scale must be positive, but the head's largest logits over the bank have the "
            f"mean {largest / len(features):.3g}; add a constant to the head's bias, which changes "
            "no softmax, or use the score `residual`"
        )
    return vars(space) | {"scale": np.asarray(largest / residual)}


def head_statistics(
    features: Float[Rows, "n d"], head: Head
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Energies of the bank (for NNGuide) and mean softmax by predicted class (for KL matching)."""
    logits = logits_of(features, head)
    as_logits(logits[:1])  # refuses a single class
    energies = np.empty(len(features), np.float32)

    def by_class(at: Any, values: np.ndarray) -> tuple:
        energies[at] = energy = log_sum_exp(values)
        predicted = values.argmax(axis=1)
        softmax = np.exp(values - energy[:, None])
        counts = np.bincount(predicted, minlength=logits.width)
        return one_hot(predicted, logits.width) @ softmax, counts

    sums, counts = sum_blocks(logits, by_class, what="logits")
    present = np.flatnonzero(counts)
    posteriors = {"posteriors": sums[present] / counts[present, None], "classes": present}
    return {"energies": energies}, posteriors


def clip_threshold(features: Float[Rows, "n d"], *, quantile: float) -> Float64[np.ndarray, ""]:
    """ReAct's threshold: a quantile of all activations of the bank."""
    if not 0 < quantile < 1:
        raise ValueError(f"fit.clip_quantile must be in (0, 1), got {quantile}")
    return np.asarray(exact_quantile(features, quantile=quantile), np.float64)


def select(
    wanted: Sequence[str], fitted: Mapping[str, Any], reasons: Mapping[str, str], section: str
) -> list[str]:
    """Names of heads that exist; those that cannot are for the caller to report.

    Raises:
        ValueError: If a name is neither.
    """
    for name in wanted:
        if name not in fitted and name not in reasons:
            raise ValueError(
                f"{section} names the head '{name}', which was not trained; "
                f"known: {', '.join(sorted({*fitted, *reasons}))}"
            )
    return [name for name in wanted if name in fitted]
