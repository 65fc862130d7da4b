"""Frozen dataclasses as YAML mappings, by the types of their fields: written in full, read with every mistake named."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any

from models.contract.reader import Reader
from models.contract.yaml_tree import Node

__all__ = ["build", "plain", "read_fields", "read_kind"]

_Pending = tuple[type, dict[str, Any]]
"""A class and what to make it with, once the whole file is known to be sound."""


def plain(value: object) -> Any:
    """A dataclass, and what stands in it, as YAML's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
        kind = found.pop("kind", None)
        return found if kind is None else {"kind": kind, **found}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def read_fields(reader: Reader, node: Node, cls: type, leave_out: Collection[str] = ()) -> dict[str, Any]:
    """Those fields of a dataclass that a mapping gives, to be made by :func:`build`.

    Args:
        reader: notes what is wrong.
        node: the mapping.
        cls: the dataclass; fields without a default are required.
        leave_out: fields that may not be given.
    """
    hints = typing.get_type_hints(cls)
    fields = {entry.name: entry for entry in dataclasses.fields(cls) if entry.init and entry.name not in leave_out}
    required = [name for name, entry in fields.items() if _is_required(entry)]
    given = reader.mapping(node, fields, required)
    return {name: _read(reader, child, hints[name]) for name, child in given.items()}


def read_kind(reader: Reader, node: Node, kinds: Mapping[str, type]) -> _Pending | None:
    """A mapping that says by its ``kind`` which of several dataclasses it is."""
    given = node.value if isinstance(node.value, Mapping) else {}
    kind = given.get("kind")
    if kind is None:
        reader.wrong(node, "no kind", f"a mapping with a kind: one of {', '.join(kinds)}")
        return None
    name = reader.choice(kind, kinds, "")
    if name not in kinds:
        return None
    rest = Node(node.path, node.line, {key: child for key, child in given.items() if key != "kind"})
    return kinds[name], read_fields(reader, rest, kinds[name])


def build(value: object) -> Any:
    """What :func:`read_fields` and :func:`read_kind` found, made; constructors may raise ``TrainingError``."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], type) and isinstance(value[1], dict):
        cls, options = value
        return cls(**{name: build(option) for name, option in options.items()})
    if isinstance(value, dict):
        return {name: build(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(build(item) for item in value)
    return value


def _is_required(entry: dataclasses.Field[Any]) -> bool:
    return entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING


def _read(reader: Reader, node: Node, hint: Any) -> Any:
    """A value of the type ``hint``; a harmless placeholder of that type after a mistake."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if node.value is None else _read(reader, node, inner[0])
    if origin is typing.Literal:
        return reader.choice(node, inner, inner[0])
    if origin is tuple:
        return _read_tuple(reader, node, inner)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint, read_fields(reader, node, hint)
    if hint is bool:
        return reader.boolean(node, False)
    if hint is int:
        return _read_whole(reader, node)
    if hint is float:
        return reader.number(node, ("1",), 0.0)
    return reader.text(node, "a text")


def _read_whole(reader: Reader, node: Node) -> int:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    reader.wrong(node, "not a whole number", "a whole number")
    return 0


def _read_tuple(reader: Reader, node: Node, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    if node.value == () and inner[-1] is Ellipsis:
        return ()
    items = reader.items(node, "values")
    if inner[-1] is Ellipsis:
        return tuple(_read(reader, item, inner[0]) for item in items)
    if items and len(items) != len(inner):
        reader.wrong(node, "not as many values as belong here", f"{len(inner)} values")
        return ()
    return tuple(_read(reader, item, hint) for item, hint in zip(items, inner, strict=False))
