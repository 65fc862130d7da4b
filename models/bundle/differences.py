"""In which fields two contracts differ, for a person to read."""

from __future__ import annotations

from models.contract import Contract, Stream

__all__ = ["contract_differences"]


def contract_differences(bundle: Contract, robot: Contract) -> list[str]:
    """One line a difference of what a policy depends on; empty iff the hashes are equal."""
    if bundle.hash == robot.hash:
        return []
    found: list[str] = []
    for name, first, second in (
        ("fps", bundle.fps, robot.fps),
        ("action names", bundle.action_names, robot.action_names),
        ("memory", bundle.memory, robot.memory),
        ("trigger", bundle.trigger, robot.trigger),
    ):
        if first != second:
            found.append(f"{name}: bundle {first}, robot {second}")
    if bundle.action_names == robot.action_names:
        limits = {limit.name: limit for limit in robot.limits}
        found += [
            f"limits of {limit.name}: bundle {limit}, robot {limits.get(limit.name, 'none')}"
            for limit in bundle.limits
            if limits.get(limit.name) != limit
        ]
    found += _stream_differences("observation", bundle.observations, robot.observations)
    found += _stream_differences("action", bundle.actions, robot.actions)
    return found or ["a detail of a stream (type, dtype or decoder)"]


def _stream_differences(kind: str, bundle: tuple[Stream, ...], robot: tuple[Stream, ...]) -> list[str]:
    keys = [stream.key for stream in bundle]
    other = {stream.key: stream for stream in robot}
    if keys != list(other):
        return [f"{kind} streams: bundle {keys}, robot {list(other)}"]
    found = []
    for stream in bundle:
        rival = other[stream.key]
        for name, first, second in (
            ("names", stream.names, rival.names),
            ("topics", stream.topics, rival.topics),
            ("apply", [source.apply for source in stream.sources], [source.apply for source in rival.sources]),
            ("align", [source.align for source in stream.sources], [source.align for source in rival.sources]),
        ):
            if first != second:
                found.append(f"{stream.key} {name}: bundle {first}, robot {second}")
    return found
