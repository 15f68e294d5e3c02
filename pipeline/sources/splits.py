"""Splits of a data set by the names that Hugging Face's `datasets` gives and understands."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.sources.spec import SourceError

# As `datasets` writes shards, with or without a hash; a hub's page shows such a folder.
SHARD = re.compile(r"(.+)-\d+-of-\d+(?:-\w+)?\.parquet")
# Words for one split mean the same (huggingface.co/docs/hub/datasets-file-names-and-splits).
WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
MEANT = {word: split for split, words in WORDS.items() for word in words}
FIRST_WORD = re.compile(rf"({'|'.join(MEANT)})(?![a-z])", re.IGNORECASE)  # train.parquet, test_0


def check_one_split(files: Sequence[Path]) -> None:
    """Refuse a folder's files of several splits: the test images would be in the bank.

    Files that name no split belong to any.

    Raises:
        SourceError: If the names tell of two splits; with the pattern for each.
    """
    patterns: dict[str, str] = {}
    for file in files:
        if shard := SHARD.fullmatch(file.name):
            patterns.setdefault(_meant(shard[1]), f"{shard[1]}-*.parquet")
        elif word := FIRST_WORD.match(file.name):
            patterns.setdefault(_meant(word[1]), f"{word[1]}*.parquet")
    if len(patterns) > 1:
        folder = files[0].parent
        each = ", ".join(f"'{folder / pattern}'" for pattern in sorted(patterns.values()))
        raise SourceError(
            f"'{folder}' holds several splits of a data set: {', '.join(sorted(patterns))}. Give "
            f"the pattern of one as path: {each}; or '{folder / '*.parquet'}' for all as one set"
        )


def _meant(word: str) -> str:
    return MEANT.get(word.lower(), word)
