"""Which name of a list belongs to which class folder: never guessed from the order alone."""

from collections.abc import Sequence

from pipeline.name_lists import first_and_more


def names_by_key(listed: dict[str, str], folders: Sequence[str], *, what: str) -> list[str]:
    """Look each folder's name up, by the folder or else by its number, counted from 0.

    Folders that have none are numbered in label order, where the keys are just these numbers.

    Args:
        listed: Names by key, in label order.
        folders: Class folders in label order, which may be fewer, and of another order.
        what: The list in errors.

    Raises:
        ValueError: If a folder is no key; or, where none is and all are numbers, one is too large.
    """
    missing = [folder for folder in folders if folder not in listed]
    if not missing:
        return [listed[folder] for folder in folders]
    if len(missing) == len(folders) and _are_numbers(folders):
        keys = list(listed)
        places = [int(key) for key in keys] if _are_numbers(keys) else range(len(keys))
        by_number = {str(place): key for place, key in zip(places, keys, strict=True)}
        if not (beyond := [f for f in folders if str(int(f)) not in by_number]):
            return [listed[by_number[str(int(folder))]] for folder in folders]
        raise ValueError(
            f"{what} has {len(keys)} names, counted from 0; {len(beyond)} of {len(folders)} class "
            f"folders have a number that is not among them: {_some(beyond)}. Number the folders "
            "as the list, or choose another list"
        )
    numbers = [str(number) for number in range(len(folders))]
    if set(listed) == set(numbers) and not any(folder.isdecimal() for folder in folders):
        return [listed[number] for number in numbers]
    raise ValueError(
        f"{what} has no name for class '{missing[0]}': {len(missing)} of {len(folders)} class "
        f"folders are none of its keys ({_some(list(listed))}): {_some(missing)}. Add them, choose "
        "another list, or take the folders' own names by class_names: null; where the data set has "
        "numbers, datasets.<name>.classes may list these keys in their order (imagenet1k lists "
        "ImageNet's)"
    )


def names_by_position(listed: Sequence[str], folders: Sequence[str], *, what: str) -> list[str]:
    """Give name i to class i.

    Raises:
        ValueError: If the numbers of names and folders differ, or the folders are numbers sorted as
            text, so that their order is not certain to be that of the list.
    """
    if len(listed) != len(folders):
        raise ValueError(
            f"{what} must have one name for each of the {len(folders)} ID classes, got "
            f"{len(listed)}; its order must be the label order"
        )
    if _are_numbers(folders) and list(folders) != sorted(folders, key=int):
        raise ValueError(
            f"{what} goes by position, but the class folders are numbers in the order of text "
            f"({_some(folders)}): which line is meant for which is not certain. Give "
            "folder<TAB>name lines"
        )
    return [str(name) for name in listed]


def _are_numbers(words: Sequence[str]) -> bool:
    return all(word.isdecimal() for word in words)


def _some(words: Sequence[str]) -> str:
    return first_and_more(words, shown=5)
