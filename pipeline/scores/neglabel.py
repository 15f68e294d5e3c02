"""Class names against words that are none."""

import numpy as np
from jaxtyping import Float, Float64

from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.detectors.softmax import check_temperature, log_sum_exp
from pipeline.geometry import check_finite
from pipeline.products import row_products
from pipeline.scores.allowed import Count, Positive, Seed
from pipeline.scores.needs import Needs

NEEDS = Needs(text=True)


def neglabel_scores(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    negative_embeddings: Float[np.ndarray, "w e"],
    *,
    temperature: float = 0.01,
    groups: int = 100,
    seed: int = 0,
) -> Float64[np.ndarray, " n"]:
    """Softmax mass on the ID classes, against negative words, averaged over groups, as defined.

    NegLabel (Jiang et al., ICLR 2024, arXiv:2403.20078). As in the authors' code, the words are
    dealt at random into groups of one size, and the last mined, nearest to the ID classes, that
    would be left over are dropped; each group competes with all ID classes. The draw is ours: no
    other machine repeats the authors', which is torch's on their GPU. At temperature 0.01 a lead of
    0.37 in cosine over every word gives 1.0 exactly, and images tie; `neglabel_log_odds` ranks them
    all and is what the tables hold.

    Args:
        embeddings: Unit vectors of images in the joint space.
        class_embeddings: Unit vectors of the ID classes.
        negative_embeddings: Unit vectors of the mined words, the farthest from the classes first.
        temperature: Divisor of the cosines; the paper uses CLIP's 0.01.
        groups: The paper uses 100, for 10,000 words.
        seed: Of the draw of the groups.

    Returns:
        Shares in [0, 1], higher = more in-distribution.

    Raises:
        ValueError: If there is no group or fewer words than groups, the temperature is not
            positive, or the embedding of an image is not finite.
    """
    leads = _leads(embeddings, class_embeddings, negative_embeddings, temperature, groups, seed)
    return np.exp(_log_mean_sigmoid(leads))


def neglabel_log_odds(
    embeddings: Float[np.ndarray, "n e"],
    class_embeddings: Float[np.ndarray, "c e"],
    negative_embeddings: Float[np.ndarray, "w e"],
    *,
    temperature: float = 0.01,
    groups: int = 100,
    seed: int = 0,
) -> Float64[np.ndarray, " n"]:
    """log(s / (1 - s)) of `neglabel_scores` s: rises with it, and does not saturate at 0 or 1.

    Both s and what is missing to 1 are means of sigmoids over the groups, of the lead and of its
    negative, and their logarithms are taken without forming either.

    Returns:
        Log-odds, higher = more in-distribution; s is 1 / (1 + exp(-score)).

    Raises:
        ValueError: As `neglabel_scores`.
    """
    leads = _leads(embeddings, class_embeddings, negative_embeddings, temperature, groups, seed)
    return _log_mean_sigmoid(leads) - _log_mean_sigmoid(-leads)


def _leads(
    embeddings: np.ndarray,
    class_embeddings: np.ndarray,
    negative_embeddings: np.ndarray,
    temperature: float,
    groups: int,
    seed: int,
) -> Float64[np.ndarray, "n g"]:
    """Log-sum-exp of the ID classes less that of each group of words: its softmax's log-odds."""
    check_temperature(temperature)
    if not 1 <= groups <= len(negative_embeddings):
        raise ValueError(
            f"groups must be between 1 and the {len(negative_embeddings)} negative words, got "
            f"{groups}; set fewer groups, or text.negative_candidates or text.negative_share higher"
        )

    check_finite(embeddings, "embeddings")
    embeddings = embeddings.astype(np.float64)

    def mass(words: np.ndarray) -> np.ndarray:
        return log_sum_exp(row_products(embeddings, words.T) / temperature)

    own = mass(class_embeddings)
    size = len(negative_embeddings) // groups
    dealt = np.random.default_rng(seed).permutation(size * groups).reshape(groups, size)
    return np.stack([own - mass(negative_embeddings[part]) for part in dealt], axis=1)


def _log_mean_sigmoid(values: Float64[np.ndarray, "n g"]) -> Float64[np.ndarray, " n"]:
    """Logarithm of the mean of 1 / (1 + exp(-value)) over each row."""
    return log_sum_exp(-np.logaddexp(0, -values)) - np.log(values.shape[1])


def score(
    query: Query, *, temperature: Positive = 0.01, groups: Count = 100, seed: Seed = 0
) -> Float64[np.ndarray, " n"]:
    """Log-odds of NegLabel with the negative words of the detector's text side.

    Raises:
        NotApplicableError: If this backbone has no text tower, or no negative words were encoded.
    """
    text = query.detector.part("text", "text")
    if "negative_embeddings" not in text:
        cure = "set text.negative_words"
        if query.detector.facts["text/text"]["prompts"] == "imported":
            cure = (
                f"set models.{query.detector.backbone}.negative_embeddings to a file with vectors "
                "of words that are no ID class: imported features have no text tower"
            )
        raise NotApplicableError(f"no negative words were encoded; {cure}")
    return neglabel_log_odds(
        query.embeddings,
        query.class_embeddings,
        text["negative_embeddings"],
        temperature=temperature,
        groups=groups,
        seed=seed,
    )
