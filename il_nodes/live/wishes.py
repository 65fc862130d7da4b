"""What a learning and its director tell each other, a line of JSON each; needs no rclpy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from models.errors import DeploymentError

__all__ = ["PutIn", "Told", "told_from_json", "wish_from_json"]


@dataclass(frozen=True)
class PutIn:
    """The wish that a policy drive from now on.

    Attributes:
        bundle: absolute path of its ``policy.onnx``.
    """

    bundle: str

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Told:
    """What became of a wish.

    Attributes:
        problem: why the policy does not drive; empty when it does.
        seconds: from the wish until it ran and was let in.
        episode: the one that ran then: it had another driver before, so that a round begins behind it; empty for none.
        swapped: whether it took the place of another one that ran.
    """

    problem: str = ""
    seconds: float = 0.0
    episode: str = ""
    swapped: bool = False

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def wish_from_json(line: str) -> PutIn:
    """What :meth:`PutIn.to_json` wrote; raises ``DeploymentError`` for anything else."""
    try:
        return PutIn(bundle=str(json.loads(line)["bundle"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DeploymentError("no wish of a learning", found=line.strip()[:200]) from error


def told_from_json(line: str) -> Told:
    """What :meth:`Told.to_json` wrote; raises ``DeploymentError`` for anything else."""
    try:
        return Told(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise DeploymentError("no answer of the director", found=line.strip()[:200]) from error
