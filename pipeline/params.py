"""Sections of params.yaml as frozen dataclasses; a key nobody reads is an error."""

import contextlib
import copy
import dataclasses
import functools
import json
import re
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

Schema = TypeVar("Schema")


def read_section(section: str, *, path: Path = Path("params.yaml")) -> Any:
    """Return the value at a dotted path such as ``datasets.greek``.

    Raises:
        KeyError: If a part of the path is missing; the message lists what is there.
        ValueError: If the file is not YAML.
    """
    node = read_params(path)
    walked: list[str] = []
    for key in section.split("."):
        if not isinstance(node, dict) or key not in node:
            known = ", ".join(sorted(map(str, node))) if isinstance(node, dict) else "nothing"
            where = f"section '{'.'.join(walked)}'" if walked else str(path)
            raise KeyError(f"unknown name '{key}' in {where}; known: {known}")
        node = node[key]
        walked.append(key)
    return copy.deepcopy(node)


def read_params(path: Path = Path("params.yaml")) -> Any:
    """Return all of a file of parameters; not to be changed, it is read once.

    Raises:
        ValueError: If it is not YAML; the message names the line.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{path} must be YAML: {words}") from None


@functools.cache
def _parsed(text: str) -> Any:
    return load_yaml(text)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads 1e-3 as the number that it is to DVC and Hydra; YAML 1.1 wants 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_yaml(text: str) -> Any:
    """Return the content of a document whose numbers are those that DVC reads and writes.

    Raises:
        yaml.YAMLError: If it is not YAML.
    """
    return yaml.load(text, Loader=_Loader)


def load_params(section: str, schema: type[Schema], *, path: Path = Path("params.yaml")) -> Schema:
    """Read one section of params.yaml into its frozen dataclass."""
    return from_mapping(schema, read_section(section, path=path), section=section)


def from_mapping(schema: type[Schema], values: Any, *, section: str) -> Schema:
    """Build a dataclass from a mapping, recursively.

    Args:
        schema: The dataclass.
        values: As read from YAML.
        section: Its place in params.yaml, for errors; empty for the whole file.

    Raises:
        ValueError: If a key is unknown or missing, or a value has the wrong type; the message
            names the section, the key and the known ones.
    """
    if not isinstance(values, dict):
        what = f"section '{section}'" if section else "params.yaml"
        raise ValueError(f"{what} must be a mapping, {_got(dict, values)}")
    prefix = f"{section}." if section else ""
    fields = {field.name: field for field in dataclasses.fields(schema)}  # type: ignore[arg-type]
    if unknown := sorted(map(str, set(values) - set(fields))):
        raise ValueError(
            f"unknown parameter '{prefix}{unknown[0]}'; known: {', '.join(sorted(fields))}"
        )
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - set(values)):
        raise ValueError(f"missing parameter '{prefix}{missing[0]}'")
    hints = typing.get_type_hints(schema)
    return schema(
        **{
            name: _convert(
                hints[name], value, where=f"{prefix}{name}", default=name not in required
            )
            for name, value in values.items()
        }
    )


def _convert(hint: Any, value: Any, *, where: str, default: bool = False) -> Any:
    """Check one YAML value against a type hint; an int passes as float, nothing else bends.

    ``default`` is whether there is one, for errors.
    """
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, section=where)  # type: ignore[arg-type]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        errors: list[ValueError] = []
        for option in (option for option in args if option is not type(None)):
            try:
                return _convert(option, value, where=where, default=default)
            except ValueError as error:
                errors.append(error)
        raise max(errors, key=lambda error: len(str(error)))  # the one that looked deepest
    if origin is typing.Literal:
        if value not in args:
            known = ", ".join(map(str, args))
            raise ValueError(f"'{where}' must be one of {known}, {_got(hint, value, default)}")
        return value
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise ValueError(f"'{where}' must be a list, {_got(hint, value, default)}")
        converted = [_convert(args[0], item, where=f"{where}[{i}]") for i, item in enumerate(value)]
        return origin(converted)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"'{where}' must be a mapping, {_got(hint, value, default)}")
        return {key: _convert(args[1], item, where=f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        name = getattr(hint, "__name__", hint)
        raise ValueError(f"'{where}' must be {name}, {_got(hint, value, default)}")
    return value


def _got(hint: Any, value: Any, default: bool = False) -> str:
    """The value of a wrong type, as YAML calls it, and its cure."""
    if value is None:
        return f"got null; give a value{', or leave it out for the default' if default else ''}"
    return f"got {value!r}{_quoting(hint, value)}"


def _quoting(hint: Any, value: Any) -> str:
    """The cure of a number or a truth value in quotes, or of a text without them."""
    if hint is str and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if hint in (bool, int, float) and isinstance(value, str):
        with contextlib.suppress(yaml.YAMLError):
            bare = load_yaml(value)
            if isinstance(bare, hint) or (hint is float and type(bare) is int):
                return f"; write {json.dumps(bare)}, without quotes"
    return ""
