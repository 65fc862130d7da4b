"""In which fields two contracts differ, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.contract import Contract, DimensionLimits, Operator, Source, Stream, rate_unit

__all__ = ["MOST_DIFFERENCES", "contract_differences", "summarise_differences"]

MOST_DIFFERENCES = 6
"""Differences that a message lists; more than that are two robots, not a slip."""

_LONGEST_LIST = 4
"""Names of a list that are shown."""

Difference = tuple[str, str, str]
"""Field, the policy's value, the robot's value."""


def contract_differences(bundle: Contract, robot: Contract) -> list[str]:
    """One short phrase a field of what a policy depends on; empty iff the hashes are equal.

    ``limits.twist.linear.x.max: policy 8 m/s, robot 0.5 m/s``.
    """
    if bundle.hash == robot.hash:
        return []
    found = [f"{field}: policy {first}, robot {second}" for field, first, second in _differences(bundle, robot)]
    return found or ["a detail that the hash covers and this list does not"]


def summarise_differences(differences: Sequence[str]) -> str:
    """The first few on one line, and how many more there are."""
    more = len(differences) - MOST_DIFFERENCES
    listed = "; ".join(differences[:MOST_DIFFERENCES])
    return f"{listed}; and {more} more" if more > 0 else listed


def _differences(bundle: Contract, robot: Contract) -> Iterator[Difference]:
    yield from _pairs("", [("fps", f"{_number(bundle.fps)} Hz", f"{_number(robot.fps)} Hz")])
    if bundle.action_names != robot.action_names:
        yield "action names", *_lists(bundle.action_names, robot.action_names)
    else:
        yield from _limit_differences(bundle.limits, robot.limits)
    ours, theirs = bundle.memory, robot.memory
    yield from _pairs(
        "memory.",
        [
            ("frames", f"{ours.frames}", f"{theirs.frames}"),
            ("stride", f"{ours.stride}", f"{theirs.stride}"),
            ("recurrent", _truth(ours.recurrent), _truth(theirs.recurrent)),
            ("reset_gap", f"{_number(ours.reset_gap_s)} s", f"{_number(theirs.reset_gap_s)} s"),
        ],
    )
    yield from _stream_differences("observations", bundle.observations, robot.observations)
    yield from _stream_differences("actions", bundle.actions, robot.actions)
    yield from _pairs("", [("trigger", bundle.trigger, robot.trigger)])


def _pairs(prefix: str, values: Sequence[Difference]) -> Iterator[Difference]:
    for name, first, second in values:
        if first != second:
            yield prefix + name, first, second


def _limit_differences(bundle: tuple[DimensionLimits, ...], robot: tuple[DimensionLimits, ...]) -> Iterator[Difference]:
    if not bundle or not robot:
        if bundle or robot:
            yield "limits", "given" if bundle else "none", "given" if robot else "none"
        return
    for ours, theirs in zip(bundle, robot, strict=True):
        yield from _pairs(f"limits.{ours.name}.", list(zip(_LIMITS, _limits(ours), _limits(theirs), strict=True)))


_LIMITS = ("min", "max", "rate", "stop", "unit")


def _limits(limit: DimensionLimits) -> list[str]:
    rate = rate_unit(limit.unit)
    values = [(limit.minimum, limit.unit), (limit.maximum, limit.unit), (limit.rate, rate), (limit.stop, limit.unit)]
    return [f"{_number(value)} {unit}".rstrip() for value, unit in values] + [limit.unit or "none"]


def _stream_differences(section: str, bundle: tuple[Stream, ...], robot: tuple[Stream, ...]) -> Iterator[Difference]:
    keys, other = [stream.key for stream in bundle], {stream.key: stream for stream in robot}
    if keys != list(other):
        yield f"{section}", *_lists(keys, list(other))
        return
    for stream in bundle:
        rival = other[stream.key]
        if len(stream.sources) != len(rival.sources):
            yield f"{stream.key} sources", f"{len(stream.sources)}", f"{len(rival.sources)}"
            continue
        for index, (ours, theirs) in enumerate(zip(stream.sources, rival.sources, strict=True)):
            prefix = f"{stream.key}[{index}]" if len(stream.sources) > 1 else stream.key
            yield from _source_differences(prefix, ours, theirs)


def _source_differences(prefix: str, ours: Source, theirs: Source) -> Iterator[Difference]:
    first, second = ours.channel, theirs.channel
    yield from _pairs(
        f"{prefix} ",
        [
            ("topic", first.topic, second.topic),
            ("type", first.type, second.type),
            ("dtype", first.dtype or "none", second.dtype or "none"),
            ("decoder", first.decoder or "none", second.decoder or "none"),
            ("encoder", first.encoder or "none", second.encoder or "none"),
            ("align.strategy", ours.align.strategy, theirs.align.strategy),
            ("align.timeline", ours.align.timeline, theirs.align.timeline),
            ("align.tolerance_ms", _number(ours.align.tolerance_ms), _number(theirs.align.tolerance_ms)),
            ("kind", ours.kind, theirs.kind),
            ("apply", _operators(ours.apply), _operators(theirs.apply)),
        ],
    )
    if ours.select != theirs.select:
        yield f"{prefix} select", *_lists(ours.select or (), theirs.select or ())


def _operators(operators: tuple[Operator, ...]) -> str:
    return ", ".join(one.name if one.args is None else f"{one.name} {_arguments(one.args)}" for one in operators) or (
        "none"
    )


def _arguments(args: object) -> str:
    if isinstance(args, dict):
        return "{" + ", ".join(f"{key}: {_number(value)}" for key, value in args.items()) + "}"
    return str(args)


def _lists(first: Sequence[str], second: Sequence[str]) -> tuple[str, str]:
    """Both lists, or only what each has that the other has not, where they are long."""
    if max(len(first), len(second)) > _LONGEST_LIST and set(first) != set(second):
        first = [name for name in first if name not in second]
        second = [name for name in second if name not in first]
    return _names(first), _names(second)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _LONGEST_LIST
    listed = ", ".join(names[:_LONGEST_LIST])
    return f"[{listed}{f', … {more} more' if more > 0 else ''}]" if names else "none"


def _number(value: float) -> str:
    """All digits that tell two numbers apart, no ``.0`` behind a whole one, and no negative zero."""
    return repr(float(value) + 0.0).removesuffix(".0")


def _truth(value: bool) -> str:
    return "true" if value else "false"
