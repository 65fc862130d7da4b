"""From YAML text to a tree of plain values that know their path and line. A contract is data: no tag is executed.

Guards, for contracts come with policies from elsewhere: size, depth, number of nodes after aliases are followed (an
alias bomb is a small file with billions of them), anchors that contain themselves, tags, duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml.constructor import SafeConstructor

from models.contract.problems import InvalidContract, Problem, shown
from models.contract.yaml_errors import explain_yaml_error

__all__ = ["MAX_BYTES", "Node", "read_yaml"]

MAX_BYTES = 256 * 1024
"""The longest contract known to us has 12 KiB."""

MAX_DEPTH = 40
"""Levels; a contract needs eight. It keeps recursion far from the interpreter's limit."""

MAX_NODES = 20_000
"""Keys, values and lists after aliases are followed; a contract with a hundred streams has about 4,000."""

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float", "str"))
_TEXT_TAGS = frozenset({_TAG + "timestamp", _TAG + "value"})
"""What YAML 1.1 would turn into dates and defaults stays text: no key of a contract holds one."""


@dataclass(frozen=True)
class Node:
    """A value of the file.

    Attributes:
        path: the keys that lead to it, ``actions.action[1].align``; empty for the whole file.
        line: where it stands, from 1: a mapping's value where its key does.
        value: a scalar, a tuple of nodes, or a mapping from key to node.
    """

    path: str
    line: int
    value: bool | int | float | str | tuple[Node, ...] | Mapping[str, Node] | None

    @property
    def plain(self) -> object:
        """The value as plain lists, dictionaries and scalars, to be shown to a person."""
        if isinstance(self.value, Mapping):
            return {key: child.plain for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain for child in self.value]
        return self.value


def read_yaml(text: str, name: str) -> Node:
    """Parse ``text`` into a tree; raises InvalidContract with the line for everything that is not plain YAML data."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _invalid(name, 0, "the file is too large", f"{size} bytes", f"at most {MAX_BYTES} bytes")
    try:
        _check_structure(text, name)
        # compose() builds nodes, never objects: tags are only names until _Builder looks at them.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InvalidContract(name, [explain_yaml_error(error, text)]) from None
    if root is None:
        raise _invalid(name, 0, "the file is empty", "no keys at all", "a YAML mapping")
    return _Builder(name).build(root, "", 0)


def _check_structure(text: str, name: str) -> None:
    """Walk the parser's events, which takes no recursion, and refuse what would make composing recurse too deep."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise _invalid(name, line, "nested too deep", f"{depth} levels", f"at most {MAX_DEPTH}")
        if nodes > MAX_NODES:
            raise _invalid(name, line, "too many values", f"more than {MAX_NODES}", f"at most {MAX_NODES}")


class _Builder:
    """Turns composed YAML nodes into ours, counting every node each time an alias leads to it again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes = 0
        self._open: set[int] = set()
        self._scalars = SafeConstructor()

    def build(self, node: yaml.Node, path: str, depth: int, line: int = 0) -> Node:
        line = line or node.start_mark.line + 1
        self._count(node, path, depth)
        if isinstance(node, yaml.ScalarNode):
            return Node(path, line, self._scalar(node, path))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                items = [self.build(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
                return Node(path, line, tuple(items))
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return Node(path, line, self._mapping(node, path, depth))
        finally:
            self._open.discard(id(node))
        raise self._tag_error(node, path)

    def _count(self, node: yaml.Node, path: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            problem = "aliases multiply the file beyond all measure"
            raise _invalid(
                self._name,
                node.start_mark.line + 1,
                problem,
                f"more than {MAX_NODES} values",
                "aliases used once or twice",
                path,
            )
        if id(node) in self._open:
            line = node.start_mark.line + 1
            raise _invalid(self._name, line, "an anchor contains itself", "an endless value", "a finite one", path)

    def _scalar(self, node: yaml.ScalarNode, path: str) -> bool | int | float | str | None:
        if node.tag in _TEXT_TAGS:
            return str(node.value)
        if node.tag not in _PLAIN_TAGS:
            raise self._tag_error(node, path)
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, LookupError, OverflowError, yaml.YAMLError):  # PyYAML indexes into `!!int ""`
            line = node.start_mark.line + 1
            kind = node.tag.removeprefix(_TAG)
            raise _invalid(self._name, line, f"not a valid {kind}", shown(node.value), f"a {kind}", path) from None
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise self._tag_error(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = self._key(key_node, path), key_node.start_mark.line + 1
            child = f"{path}.{key}" if path else key
            if key in lines:
                raise _invalid(
                    self._name,
                    line,
                    "this key stands twice in one mapping",
                    f"{key!r} on lines {lines[key]} and {line}",
                    "each key once",
                    child,
                )
            lines[key] = line
            if key_node.tag == _TAG + "merge":
                for item, value in self._merged(value_node, path, depth):
                    merged.setdefault(item, value)
            else:
                own[key] = self.build(value_node, child, depth + 1, line)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: str, depth: int) -> Iterator[tuple[str, Node]]:
        """The keys that ``<<:`` brings in, first come first served."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in parts:
            built = self.build(part, path, depth + 1)
            if not isinstance(built.value, Mapping):
                raise _invalid(
                    self._name,
                    built.line,
                    "'<<' merges something that is no mapping",
                    shown(built.plain),
                    "a mapping",
                    path,
                )
            yield from built.value.items()

    def _key(self, node: yaml.Node, path: str) -> str:
        if isinstance(node, yaml.ScalarNode):
            # As written: YAML 1.1 would read a key "on" or "y" as a boolean.
            return str(node.value)
        line = node.start_mark.line + 1
        raise _invalid(self._name, line, "a key is a list or a mapping", "a list or a mapping", "a name", path)

    def _tag_error(self, node: yaml.Node, path: str) -> InvalidContract:
        return _invalid(
            self._name,
            node.start_mark.line + 1,
            "tags are not allowed: this is data, not code",
            shown(node.tag.replace(_TAG, "!!")),
            "plain scalars, lists and mappings",
            path,
        )


def _invalid(name: str, line: int, message: str, found: str, expected: str, path: str = "") -> InvalidContract:
    return InvalidContract(name, [Problem(path, line, message, found, expected)])
