"""Negative labels: words far from every ID class name, for NegLabel."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int64

_WORD_END = "</w>"  # marks the vocabulary entries that end a word


def clip_vocabulary() -> list[str]:
    """Tokens of CLIP's own tokenizer, as it ships with open_clip, in the order they were merged.

    The order is roughly that of frequency. Loads open_clip, which takes seconds.
    """
    from open_clip.tokenizer import SimpleTokenizer

    return list(SimpleTokenizer().encoder)


def candidate_words(
    tokens: Iterable[str], class_names: Sequence[str], *, limit: int | None = None
) -> list[str]:
    """Whole words of a byte-pair vocabulary that are no ID class.

    A token is a whole word where it ends one, is made of three or more ASCII letters, and no word
    of an ID class name is the same. The paper takes nouns and adjectives of WordNet, which does
    not ship with any package here; the vocabulary also holds verbs, names and endings.

    Args:
        tokens: Vocabulary entries; those that end a word carry the mark ``</w>``.
        class_names: Of the ID classes; compared without case, word by word.
        limit: How many to keep, evenly spread over the vocabulary; None keeps all.

    Returns:
        Words in the order of the vocabulary.
    """
    own = {
        part.casefold()
        for name in class_names
        for part in [name, *name.replace("_", " ").replace("-", " ").split()]
    }
    words = [token.removesuffix(_WORD_END) for token in tokens if token.endswith(_WORD_END)]
    words = [
        word
        for word in dict.fromkeys(words)
        if len(word) >= 3 and word.isascii() and word.isalpha() and word.casefold() not in own
    ]
    if limit is None or limit >= len(words):
        return words
    if limit < 1:
        raise ValueError(f"the number of candidate words must be at least 1, got {limit}")
    return [words[place] for place in np.arange(limit) * len(words) // limit]


def mine_negatives(
    word_embeddings: Float[np.ndarray, "w e"],
    class_embeddings: Float[np.ndarray, "c e"],
    *,
    share: float = 0.15,
    quantile: float = 0.95,
) -> Int64[np.ndarray, " s"]:
    """Rows of the words that are farthest from the ID classes, the farthest first.

    NegMining of NegLabel (Jiang et al., ICLR 2024, arXiv:2403.20078): a word's distance to the ID
    classes is the 5th percentile of its negative cosines, that is minus the 95th of its cosines:
    more robust than the nearest class alone. Equal distances keep the order of the words.

    Args:
        word_embeddings: Unit vectors of the candidates.
        class_embeddings: Unit vectors of the ID classes.
        share: Of the candidates to keep; the paper keeps 10,000 of about 70,000.
        quantile: Of a word's cosines to the classes.

    Raises:
        ValueError: If share or quantile is out of range, or there is no word.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must be in [0, 1], got {quantile}")
    if not len(word_embeddings):
        raise ValueError("mining needs candidate words, got none; give a longer word list")
    closeness = np.quantile(word_embeddings @ class_embeddings.T, quantile, axis=1)
    keep = max(1, round(share * len(word_embeddings)))
    return np.argsort(closeness, kind="stable")[:keep].astype(np.int64)
