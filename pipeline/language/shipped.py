"""Word lists that ship inside installed packages, read without importing the packages.

Importing open_clip or timm takes seconds and loads torch; their lists are plain files.
"""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType


def package_folder(package: str) -> Path:
    """Return where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"package '{package}' is not installed; `make .venv` installs the locked versions"
        )
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def open_clip_metadata() -> ModuleType:
    """Return open_clip's module of ImageNet names and templates, alone."""
    path = package_folder("open_clip") / "zero_shot_metadata.py"
    spec = importlib.util.spec_from_file_location("_open_clip_zero_shot_metadata", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imagenet_wnids_file() -> Path:
    """Return the file of `imagenet_wnids`, one a line."""
    return package_folder("timm") / "data" / "_info" / "imagenet_synsets.txt"


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the WordNet ids of the 1000 ImageNet-1k classes in label order (sorted)."""
    return tuple(imagenet_wnids_file().read_text(encoding="utf-8").split())


@cache
def wordnet_lemmas() -> dict[str, tuple[str, ...]]:
    """Return the synonyms of each ImageNet synset in WordNet's order, by WordNet id."""
    path = package_folder("timm") / "data" / "_info" / "imagenet_synset_to_lemma.txt"
    lemmas = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        wnid, _, words = line.partition("\t")
        lemmas[wnid] = tuple(word.strip() for word in words.split(","))
    return lemmas
