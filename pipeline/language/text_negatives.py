"""Negative labels of the text store: words of a list, encoded, mined, the farthest first."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from pipeline.language.negative_labels import candidate_words, clip_vocabulary, mine_negatives
from pipeline.language.text import word_embeddings
from pipeline.language.text_file import read_text
from pipeline.language.text_params import TextParams


def negative_labels(
    encode_text: Callable[[list[str]], Float[np.ndarray, "t e"]],
    class_names: Sequence[str],
    class_embeddings: Float32[np.ndarray, "c e"],
    *,
    params: TextParams,
) -> tuple[Float32[np.ndarray, "s e"], list[str]]:
    """Return the embeddings of the mined words and the words, the farthest from the ID first.

    Raises:
        ValueError: If the list is unknown or holds no word.
    """
    words = word_list(str(params.negative_words), class_names, limit=params.negative_candidates)
    vectors = word_embeddings(encode_text, words, prompt=params.negative_prompt)
    mined = mine_negatives(vectors, class_embeddings, share=params.negative_share)
    return vectors[mined], [words[place] for place in mined]


def word_list(source: str, class_names: Sequence[str], *, limit: int | None) -> list[str]:
    """Return candidate words: of CLIP's vocabulary, or of a user's file with one a line.

    A file is taken whole, but for names of ID classes, blank lines and lines starting with #.
    """
    if source == "clip_vocabulary":
        return candidate_words(clip_vocabulary(), class_names, limit=limit)
    path = Path(source)
    if not path.is_file():
        raise ValueError(
            f"unknown list of negative words '{source}'; known: clip_vocabulary, or the path of a "
            "file with one word a line"
        )
    own = {name.casefold() for name in class_names}
    lines = [line.strip() for line in read_text(path).splitlines()]
    words = [word for word in dict.fromkeys(lines) if word and not word.startswith("#")]
    words = [word for word in words if word.casefold() not in own]
    if not words:
        raise ValueError(f"{path} holds no word that is not an ID class; write one a line")
    return words
