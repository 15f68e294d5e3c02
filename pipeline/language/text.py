"""Class embeddings: what a text tower makes of class names and prompts."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float32

from pipeline.geometry import unit_norm
from pipeline.language.prompts import fill

TEXTS_AT_ONCE = 4096  # bounds the memory of a thousand names in eighty prompts


def class_embeddings(
    encode_text: Callable[[list[str]], Float[np.ndarray, "t e"]],
    class_names: Sequence[str],
    prompts: Sequence[str],
) -> Float32[np.ndarray, "c e"]:
    """Return one unit vector a class: the mean direction of its prompts.

    Prompt ensembling of Radford et al. (ICML 2021, arXiv:2103.00020): every sentence is encoded
    and brought to unit length, the mean over a class's sentences is brought to unit length again.

    Args:
        encode_text: Maps t texts to vectors [t e]; their length does not matter.
        class_names: Names in label order.
        prompts: Sentences that hold ``{c}``.

    Raises:
        ValueError: If there are fewer than two classes or no prompt, or a vector is zero or not
            finite.
    """
    if len(class_names) < 2:
        raise ValueError(f"zero-shot needs at least two classes, got {list(class_names)}")
    if not prompts:
        raise ValueError("zero-shot needs at least one prompt, got none")
    at_once = max(1, TEXTS_AT_ONCE // len(prompts))
    means = []
    for start in range(0, len(class_names), at_once):
        names = class_names[start : start + at_once]
        texts = [text for name in names for text in fill(list(prompts), name)]
        vectors = unit_norm(np.asarray(encode_text(texts), dtype=np.float32))
        means.append(vectors.reshape(len(names), len(prompts), -1).mean(axis=1, dtype=np.float64))
    return unit_norm(np.concatenate(means).astype(np.float32))


def word_embeddings(
    encode_text: Callable[[list[str]], Float[np.ndarray, "t e"]],
    words: Sequence[str],
    *,
    prompt: str,
) -> Float32[np.ndarray, "t e"]:
    """Return one unit vector a word in a single prompt, as negative labels are encoded."""
    vectors = [
        np.asarray(encode_text([text for w in chunk for text in fill([prompt], w)]), np.float32)
        for chunk in (words[s : s + TEXTS_AT_ONCE] for s in range(0, len(words), TEXTS_AT_ONCE))
    ]
    return unit_norm(np.concatenate(vectors))
