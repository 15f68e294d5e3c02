"""Parameters of a method, checked against the signature of its score: names, types, ranges."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from typing import Any

from pipeline.params import from_mapping
from pipeline.scores.allowed import Allowed


def checked_parameters(
    name: str, entry: Mapping[str, Any], score: Callable[..., Any]
) -> dict[str, Any]:
    """Parameters of one entry of ``methods``, in the types that its score takes.

    Args:
        name: Of the method.
        entry: ``score`` and parameters, as read from YAML.
        score: Function of the query and keyword parameters, whose type hints may hold `Allowed`.

    Raises:
        ValueError: If a parameter is unknown, missing, of another type or out of range; the
            message names it, its value and what is allowed.
    """
    known = dict(list(inspect.signature(score).parameters.items())[1:])
    given = {key: value for key, value in entry.items() if key != "score"}
    if unknown := sorted(map(str, set(given) - set(known))):
        raise ValueError(
            f"unknown parameter 'methods.{name}.{unknown[0]}' of score '{entry['score']}'; "
            f"known: {', '.join(known) or 'none'}"
        )
    needed = {key for key, one in known.items() if one.default is inspect.Parameter.empty}
    if missing := sorted(needed - set(given)):
        raise ValueError(f"missing parameter 'methods.{name}.{missing[0]}'")
    plain, full = typing.get_type_hints(score), typing.get_type_hints(score, include_extras=True)
    typed = {key: _typed(plain[key], value, name, key) for key, value in given.items()}
    for key, value in typed.items():
        _check_range(full[key], value, f"methods.{name}.{key}")
    return typed


def defaults(score: Callable[..., Any]) -> dict[str, Any]:
    """Parameters of a score that need not be given, with the values that they then have."""
    known = list(inspect.signature(score).parameters.items())[1:]
    return {key: one.default for key, one in known if one.default is not inspect.Parameter.empty}


def _typed(hint: Any, value: Any, name: str, key: str) -> Any:
    """The value as `pipeline.params` converts it."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    lists = [option for option in options if typing.get_origin(option) in (list, tuple)]
    if isinstance(value, list) and lists:
        hint = lists[0]  # its message names the item
    schema = make_dataclass("Parameter", [(key, hint)], frozen=True)
    try:
        return getattr(from_mapping(schema, {key: value}, section=f"methods.{name}"), key)
    except ValueError:
        if not _is_union(hint):
            raise
        words = " or ".join(
            str(option) if typing.get_origin(option) else option.__name__ for option in options
        )
        raise ValueError(f"'methods.{name}.{key}' must be {words}, got {value!r}") from None


def _check_range(hint: Any, value: Any, where: str) -> None:
    """Refuse what breaks a rule of the hint, empty lists, and lists that name a value twice."""
    if typing.get_origin(hint) is typing.Annotated:
        for rule in (each for each in hint.__metadata__ if isinstance(each, Allowed)):
            if not rule.holds(value):
                raise ValueError(f"'{where}' must be {rule.words}, got {value!r}")
    elif _is_union(hint):
        for option in typing.get_args(hint):
            if isinstance(value, list) == (typing.get_origin(option) is list):
                _check_range(option, value, where)
    elif isinstance(value, (list, tuple)):
        if not value:
            raise ValueError(f"'{where}' must hold at least one value, got an empty list")
        if len(set(value)) < len(value):
            raise ValueError(f"'{where}' must hold each value once, got {list(value)}")
        for place, item in enumerate(value):
            _check_range(typing.get_args(hint)[0], item, f"{where}[{place}]")


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
