"""Class names as they stand in prompts: shipped lists, a user's list, or the bank's folders."""

import html
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ftfy

from pipeline.language.name_files import read_names, text_lines
from pipeline.language.name_lookup import names_by_key, names_by_position
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
    lines = text_lines(NAMES / f"{name}.txt")
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
    source: str | Sequence[str] | Mapping[str, str] | None,
    folders: Sequence[str],
    *,
    underscores_to_spaces: bool = True,
) -> list[str]:
    """Return the name of every ID class in label order.

    A list with keys (each shipped one: WordNet ids, CIFAR's own names) goes by key alone, so that
    a subset of the classes works and order does not matter. Where the folders are numbers and the
    keys are none of them, a folder's number is its place in the list. A plain list goes by
    position, and so does a mapping from just the numbers 0 to the last class.

    Args:
        source: A shipped list (`LISTS`), the path of a user's file (one name a line; or
            ``folder<TAB>name`` lines, where a WordNet id needs no tab; or JSON or a Python literal,
            a list or a mapping), the names themselves (a list or a mapping), or None for the bank's
            own folder names.
        folders: The bank's class folders in label order.
        underscores_to_spaces: Whether folder names lose their underscores.

    Raises:
        ValueError: If the source is unknown, a key is missing or stands twice, a name is empty, or
            a plain list's length is not the number of classes.
    """
    if source is None:
        return [f.replace("_", " ") if underscores_to_spaces else f for f in folders]
    what = f"class-name list '{source}'" if isinstance(source, str) else "the list of class names"
    listed = named_list(source, folders=folders) if isinstance(source, str) else source
    if isinstance(listed, Mapping):
        keyed = {str(key): str(name) for key, name in listed.items()}
        names = names_by_key(keyed, folders, what=what)
    else:
        names = names_by_position(listed, folders, what=what)
    if empty := [place for place, name in enumerate(names) if not name.strip()]:
        raise ValueError(f"{what} has an empty name for class {empty[0]}")
    return names


def equal_names(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the names that several classes bear to CLIP's tokenizer, with their positions.

    Such classes have the same embedding, and the argmax only ever returns the first.
    """
    places = defaultdict(list)
    for place, name in enumerate(names):
        places[as_tokenized(name)].append(place)
    return {name: where for name, where in places.items() if len(where) > 1}


def as_tokenized(text: str) -> str:
    """Return text as CLIP's tokenizer reads it: mended, without entities, case and wide spaces.

    As open_clip cleans it, whose import would load torch: ``é`` as one sign or two, curly or
    straight quotes and ``&amp;`` or ``&`` are the same to it.
    """
    mended = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(mended.split()).lower()


def named_list(source: str, *, folders: Sequence[str] = ()) -> dict[str, str] | list[str]:
    """Return a shipped list of class names, or a user's file for these class folders.

    Raises:
        ValueError: If it is neither, or the file is of another form.
    """
    if source in LISTS:
        return LISTS[source]()
    path = Path(source)
    if not path.is_file():
        raise ValueError(
            f"unknown class-name list '{source}'; known: {', '.join(LISTS)}, or the path of a "
            "file with one name a line"
        )
    return read_names(path, folders=folders)
