"""Class names written as values: JSON, or a Python literal, as ImageNet's often go round."""

import ast
import json
import re
from typing import Any

from pipeline.language.unique_keys import unique_keys

WORDNET_ID = re.compile(r"n\d{8}")


def are_values(text: str) -> bool:
    """Whether a text is a mapping or list as a whole, not one name a line."""
    return text.lstrip().startswith(("{", "["))


def named_values(text: str, *, told_by: str) -> dict[str, str] | list[str]:
    """Read a list of names, or a mapping from keys to names.

    Args:
        text: JSON, or a Python literal such as ``{0: 'tench, Tinca tinca', 1: 'goldfish'}``. Keras'
            ``{"0": ["n01440764", "tench"]}`` goes by its WordNet ids; its underscores are spaces.
        told_by: The file in errors.

    Raises:
        ValueError: If it is neither, a name is no text, or a key stands twice.
    """
    values = _parsed(text, told_by)
    if not isinstance(values, dict | list):
        raise ValueError(f"'{told_by}' must hold a list of names or a mapping, got {values!r}")
    held = list(values.values()) if isinstance(values, dict) else values
    if held and all(map(_has_wordnet_id, held)):
        return unique_keys(((wnid, name.replace("_", " ")) for wnid, name in held), told_by=told_by)
    for value in held:
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(
                f"'{told_by}' must hold one name, as text, for each class; got {value!r}. Write "
                "{class: name}, or [WordNet id, name] for every class"
            )
    if isinstance(values, dict):
        return {str(key): str(value) for key, value in values.items()}
    return [str(value) for value in values]


def _has_wordnet_id(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return all(isinstance(part, str) for part in value) and bool(WORDNET_ID.fullmatch(value[0]))


def _parsed(text: str, told_by: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return unique_keys(pairs, told_by=told_by)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        try:
            tree = ast.parse(text.strip(), mode="eval").body
            if not isinstance(tree, ast.Dict):
                return ast.literal_eval(tree)
            keys = [ast.literal_eval(key) if key else None for key in tree.keys]
            values = [ast.literal_eval(value) for value in tree.values]
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(
                f"'{told_by}' must be JSON ({error}) or a Python literal: a list of names, or a "
                "mapping from classes to names; or write one name a line"
            ) from error
        return unique_keys(zip(map(str, keys), values, strict=True), told_by=told_by)
