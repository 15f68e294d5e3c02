"""Class names as they stand in prompts: shipped lists, a user's list, or the bank's folders."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.language.shipped import imagenet_wnids, open_clip_metadata, wordnet_lemmas

NAMES = Path(__file__).parent / "names"


def imagenet_plp() -> dict[str, str]:
    """Return the first WordNet synonym of each class: the old ImageNet list, three equal pairs.

    Equal to the tokenizer, which ignores case: crane (134, 517), maillot (638, 639), Cardigan
    and cardigan (264, 474). The later class of a pair can never win.
    """
    return {wnid: wordnet_lemmas()[wnid][0] for wnid in imagenet_wnids()}


def imagenet_openai() -> dict[str, str]:
    """Return CLIP's cleaned names as published: missile (657, 744), sunglasses (836, 837)."""
    names = open_clip_metadata().IMAGENET_CLASSNAMES
    return dict(zip(imagenet_wnids(), names, strict=True))


def imagenet_clean() -> dict[str, str]:
    """Return CLIP's cleaned names with both equal pairs mended.

    The later class of a pair takes the first WordNet synonym of its own that no class bears:
    744 projectile, 837 dark glasses.
    """
    names = imagenet_openai()
    wnids = list(names)
    for places in equal_names(list(names.values())).values():
        for place in places[1:]:
            borne = {name.casefold() for name in names.values()}
            own = wordnet_lemmas()[wnids[place]]
            names[wnids[place]] = next(word for word in own if word.casefold() not in borne)
    return names


def _cifar(name: str, *, spaces: bool) -> dict[str, str]:
    lines = _lines(NAMES / f"{name}.txt")
    return {line: line.replace("_", " ") if spaces else line for line in lines}


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "imagenet1k_plp": imagenet_plp,
    "imagenet1k_openai": imagenet_openai,
    "imagenet1k_clean": imagenet_clean,
    "cifar10": lambda: _cifar("cifar10", spaces=True),
    "cifar100_plp": lambda: _cifar("cifar100", spaces=False),
    "cifar100_clean": lambda: _cifar("cifar100", spaces=True),
}


def class_names(
    source: str | Sequence[str] | None,
    folders: Sequence[str],
    *,
    underscores_to_spaces: bool = True,
) -> list[str]:
    """Return the name of every ID class in label order.

    Args:
        source: A shipped list (`LISTS`), the path of a user's file (one name a line; or
            ``folder<TAB>name`` lines; or JSON, a list or a mapping), the names themselves, or
            None for the bank's own folder names.
        folders: The bank's class folders in label order. Where the list is keyed by folder
            (WordNet ids, CIFAR's own names), each folder looks its name up, so that a subset of
            the classes works; otherwise the list goes by position.
        underscores_to_spaces: Whether folder names lose their underscores.

    Raises:
        ValueError: If the source is unknown, a name is missing or empty, or the list's length is
            not the number of classes.
    """
    if source is None:
        return [f.replace("_", " ") if underscores_to_spaces else f for f in folders]
    what = f"class-name list '{source}'" if isinstance(source, str) else "the list of class names"
    listed = _load(source) if isinstance(source, str) else [str(name) for name in source]
    if isinstance(listed, dict) and any(folder in listed for folder in folders):
        if missing := [folder for folder in folders if folder not in listed]:
            raise ValueError(
                f"{what} has no name for class '{missing[0]}' ({len(missing)} of {len(folders)} "
                "classes missing); add it or choose another list"
            )
        names = [listed[folder] for folder in folders]
    else:
        names = list(listed.values()) if isinstance(listed, dict) else listed
        if len(names) != len(folders):
            raise ValueError(
                f"{what} must have one name for each of the {len(folders)} ID classes, got "
                f"{len(names)}; its order must be the label order"
            )
    if empty := [place for place, name in enumerate(names) if not name.strip()]:
        raise ValueError(f"{what} has an empty name for class {empty[0]}")
    return names


def equal_names(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the names that several classes bear, with their positions.

    Case and surrounding space do not tell names apart: CLIP's tokenizer drops both, so such
    classes have the same embedding and the argmax only ever returns the first.
    """
    places = defaultdict(list)
    for place, name in enumerate(names):
        places[" ".join(name.casefold().split())].append(place)
    return {name: where for name, where in places.items() if len(where) > 1}


def _load(source: str) -> dict[str, str] | list[str]:
    if source in LISTS:
        return LISTS[source]()
    path = Path(source)
    if not path.is_file():
        raise ValueError(
            f"unknown class-name list '{source}'; known: {', '.join(LISTS)}, or the path of a "
            "file with one name a line"
        )
    if path.suffix == ".json":
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return {str(key): str(value) for key, value in values.items()}
        return [str(value) for value in values]
    lines = _lines(path)
    if lines and all("\t" in line for line in lines):
        return {key: name for key, _, name in (line.partition("\t") for line in lines)}
    return lines


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file without blanks and # comments."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
