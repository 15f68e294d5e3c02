"""What a detector learns from the bank: Gaussians, residual spaces, head statistics, clipping."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from pipeline.detectors.clusters import kmeans
from pipeline.detectors.gaussians import ClassGaussians, class_sums
from pipeline.detectors.softmax import as_logits, log_sum_exp
from pipeline.detectors.subspace import ResidualSpace, vanishing_point
from pipeline.geometry import unit_norm
from pipeline.training.heads import Probe

_BLOCK = 8192


@dataclass(frozen=True)
class GaussianSpec:
    """One entry of ``fit.gaussians``.

    Attributes:
        classes: What the rows are grouped by.
        space: ``features``, or the name of a head whose logits are taken.
        norm: ``stored`` as they are, or scaled to ``unit`` norm.
        shrinkage: See `pipeline.detectors.shrinkage.invertible`.
        clusters: For k-means; null for as many as there are classes.
        seed: For k-means.
    """

    classes: Literal["labels", "pseudo_labels", "kmeans"] = "labels"
    space: str = "features"
    norm: Literal["stored", "unit"] = "stored"
    shrinkage: str = "auto"
    clusters: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FitParams:
    """Section ``fit``.

    Attributes:
        gaussians: By the name that methods refer to.
        residual_dimension: Of the principal subspaces; null for ViM's rule.
        residuals: Spaces to fit: ``mean``, and heads for ViM.
        head_statistics: Heads whose energies and posteriors on the bank are kept.
        clip_quantile: ReAct's threshold among all activations of the bank.
    """

    gaussians: dict[str, GaussianSpec] = field(default_factory=lambda: {"labels": GaussianSpec()})
    residual_dimension: int | None = None
    residuals: list[str] = field(default_factory=lambda: ["mean"])
    head_statistics: list[str] = field(default_factory=list)
    clip_quantile: float = 0.9


def fit_gaussians(
    features: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    spec: GaussianSpec,
    class_names: Sequence[str],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Fit one entry; rows of class -1 stay out.

    Returns:
        Arrays of `ClassGaussians`, and facts: shrinkage, condition numbers, classes left out.

    Raises:
        ValueError: If a labelled class has fewer than two rows. Pseudo-classes and clusters with
            fewer are left out and listed.
    """
    rows = unit_norm(features) if spec.norm == "unit" else features
    if spec.classes == "kmeans":
        classes = kmeans(rows, clusters=spec.clusters or len(class_names), seed=spec.seed)
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
        raise ValueError(f"no class by {spec.classes} has two rows; use a larger bank")
    if not keep.all():  # a bank of ImageNet's size is not copied without need
        rows, classes = rows[keep], classes[keep]
    gaussians, shared = ClassGaussians.fit(rows, classes, shrinkage=spec.shrinkage)
    singular = not np.isfinite(shared.condition_before)
    facts = asdict(spec) | {
        "rows": int(keep.sum()),
        "classes_fitted": len(gaussians.classes),
        "classes_left_out": [int(c) for c in small],
        "shrinkage_used": shared.shrinkage,
        "shrinkage_intensity": round(shared.intensity, 9),
        "condition_number": float(f"{shared.condition:.4g}"),
        "condition_number_before_shrinking": None
        if singular
        else float(f"{shared.condition_before:.4g}"),
    }
    return vars(gaussians), facts


def fit_residuals(
    features: Float[np.ndarray, "n d"], head: Probe | None, *, dimension: int | None
) -> dict[str, np.ndarray]:
    """Fit a residual space around the mean, or ViM's around a head's vanishing point.

    Returns:
        ``origin``, ``basis``, and with a head ``scale``: mean largest logit over mean residual.
    """
    if head is None:
        return vars(ResidualSpace.fit(features, dimension=dimension))
    # one linear layer on raw features: W (x - mean) / std + b
    weight = head.weight.astype(np.float64) / head.std
    space = ResidualSpace.fit(
        features,
        origin=vanishing_point(weight, head.bias - weight @ head.mean),
        dimension=dimension,
    )
    largest = sum(float(logits.max(axis=1).sum()) for _, logits in _logits(features, head))
    residual = float(space.norms(features).sum())
    if residual == 0:
        raise ValueError(
            "the bank has no residual outside the principal subspace; lower its dimension"
        )
    return vars(space) | {"scale": np.asarray(largest / residual)}


def head_statistics(
    features: Float[np.ndarray, "n d"], head: Probe
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Energies of the bank (for NNGuide) and mean softmax by predicted class (for KL matching)."""
    energies = np.empty(len(features), np.float32)
    classes = len(head.bias)
    sums, counts = np.zeros((classes, classes)), np.zeros(classes, np.int64)
    for start, logits in _logits(features, head):
        energy = log_sum_exp(logits)
        energies[start : start + len(logits)] = energy
        predicted = logits.argmax(axis=1)
        sums += class_sums(np.exp(logits - energy[:, None]), predicted, classes)
        counts += np.bincount(predicted, minlength=classes)
    present = np.flatnonzero(counts)
    posteriors = {"posteriors": sums[present] / counts[present, None], "classes": present}
    return {"energies": energies}, posteriors


def clip_threshold(features: Float[np.ndarray, "n d"], *, quantile: float) -> np.ndarray:
    """ReAct's threshold: a quantile of all activations, of up to 20,000 evenly spaced rows."""
    if not 0 < quantile < 1:
        raise ValueError(f"fit.clip_quantile must be in (0, 1), got {quantile}")
    step = -(-len(features) // 20_000)
    return np.asarray(np.quantile(features[::step], quantile), np.float64)


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


def _logits(features: np.ndarray, head: Probe):
    """Yield (first row, float64 logits) block by block."""
    for start in range(0, len(features), _BLOCK):
        yield start, as_logits(head.logits(features[start : start + _BLOCK]))
