"""Tensor operations that were watched once, as text that TorchScript compiles.

Below torch's autograd a computation is a plain list of operations, those of its derivatives among them. A
:class:`StepRecorder` writes each down while it is carried out; what is left out need not be repeated with every step:
detaching, which means nothing where nobody differentiates, and views of tensors that stay where they are, such as a
weight's transpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["StepRecorder"]

# Numbers by which operators know what Python gives names to (c10/core/ScalarType.h, MemoryFormat.h).
_DTYPES = {
    torch.uint8: 0,
    torch.int8: 1,
    torch.int16: 2,
    torch.int32: 3,
    torch.int64: 4,
    torch.float16: 5,
    torch.float32: 6,
    torch.float64: 7,
    torch.bool: 11,
    torch.bfloat16: 15,
}
_FORMATS = {torch.contiguous_format: 0, torch.preserve_format: 1, torch.channels_last: 2}
# What TorchScript takes for granted when it is not said.
_GRANTED: Mapping[str, Any] = {"device": torch.device("cpu"), "layout": torch.strided, "pin_memory": False}


class StepRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down the operations that are carried out within it.

    Args:
        inputs: tensors that will be others when the step is repeated, by the names that they get.

    Attributes:
        lines: assignments in TorchScript, in order.
        held: tensors that were met and that nothing here made, weights and constants and views of them: named
            ``held0``, ``held1`` and so on. They are read anew with every step, so they may change in place.

    Raises:
        RuntimeError: from within it, of an operation that cannot be repeated: one whose result Python looks at.
    """

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lines: list[str] = []
        self.held: list[Tensor] = []
        self._names = {id(tensor): name for name, tensor in inputs.items()}
        # Whatever has a name lives on: another tensor could otherwise get its number.
        self._named = list(inputs.values())
        self._constant: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out one operation and write it down."""
        kwargs = kwargs or {}
        if torch.Tag.data_dependent_output in func.tags or func.namespace != "aten":
            raise RuntimeError(f"{func} cannot be repeated without Python")
        words = self._words(func, args, kwargs)
        result = func(*args, **kwargs)
        results = [one for one in (result if isinstance(result, list | tuple) else [result]) if one is not None]
        if func is torch.ops.aten.detach.default:
            self._name(result, self.name(args[0]), constant=id(args[0]) in self._constant)
        elif func.is_view and all(id(one) in self._constant for one in _tensors([*args, *kwargs.values()])):
            for one in results:
                self._hold(one)
        else:
            self._write(func, words, result, results)
        return result

    def name(self, tensor: Tensor) -> str:
        """Of a tensor; one that was not met before is held from now on."""
        if id(tensor) not in self._names:
            self._hold(tensor)
        return self._names[id(tensor)]

    def _hold(self, tensor: Tensor) -> None:
        self._name(tensor, f"held{len(self.held)}", constant=True)
        self.held.append(tensor.detach())

    def _name(self, tensor: Tensor, name: str, *, constant: bool = False) -> None:
        self._names[id(tensor)] = name
        self._named.append(tensor)
        if constant:
            self._constant.add(id(tensor))

    def _write(self, func: Any, words: str, result: Any, results: Sequence[Tensor]) -> None:
        """An assignment: to one name, to one for each of several results, or to that of a list."""
        made = f"made{len(self.lines)}"
        if isinstance(result, list):
            names, left = [f"{made}[{place}]" for place in range(len(result))], made
        elif isinstance(result, tuple):
            every = [f"{made}_{place}" for place in range(len(result))]
            names, left = [name for name, one in zip(every, result, strict=True) if one is not None], ", ".join(every)
        else:
            names, left = [made], made
        for one, name in zip(results, names, strict=True):
            self._name(one, name)
        self.lines.append(f"{left} = torch.ops.aten.{func._schema.name.removeprefix('aten::')}({words})")

    def _words(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """The arguments as text."""
        wanted = func._schema.arguments
        told = [self._word(value, str(one.type)) for value, one in zip(args, wanted, strict=False)]
        types = {one.name: str(one.type) for one in wanted}
        told += [
            f"{name}={self._word(value, types[name])}"
            for name, value in kwargs.items()
            if name not in _GRANTED or value not in (None, _GRANTED[name])
        ]
        return ", ".join(told)

    def _word(self, value: Any, wanted: str) -> str:
        """One argument as text; ``wanted`` is its type in the operator's schema."""
        if isinstance(value, Tensor):
            return self.name(value)
        if isinstance(value, list | tuple):
            words = f"[{', '.join(self._word(one, wanted) for one in value)}]"
            if any(one is None for one in value):
                return f"torch.jit.annotate(List[Optional[Tensor]], {words})"
            return words if value else "torch.jit.annotate(List[int], [])"
        if isinstance(value, bool | None):
            return repr(value)
        if isinstance(value, int | float):
            return _number(float(value) if "float" in wanted else value)
        for known in (_DTYPES, _FORMATS):
            if value in known:
                return str(known[value])
        raise RuntimeError(f"{value!r} cannot be written down as an argument")


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def _tensors(values: Sequence[Any]) -> list[Tensor]:
    """Those among arguments."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found
