"""The expert's topics for nodes that stand beside them: hear every one, answer on the same names behind a prefix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from il_nodes.codecs import import_message_class
from il_nodes.recorder.topics import behind
from il_nodes.ros.qos import qos_profile
from models.errors import DeploymentError

if TYPE_CHECKING:
    from il_nodes.ros.node import UnderstudyNode
    from models.contract import Contract

__all__ = ["advertise_behind", "subscribe_to_expert"]


def advertise_behind(prefix: str, node: UnderstudyNode, contract: Contract, *, reliable: bool) -> list[Any]:
    """One publisher an expert topic, in order: ``/expert/cmd_vel`` behind ``/noise`` is ``/noise/expert/cmd_vel``.

    Raises:
        DeploymentError: remapped, one of them is a topic of the expert, whom the node would then hear itself speak as;
            or a command topic, which only the gate publishes.
    """
    commanded = [source.channel.topic for source in contract.action_sources]
    taken = {node.resolve_topic_name(topic) for topic in (*contract.gate.expert_topics, *commanded)}
    for topic in contract.gate.expert_topics:
        output = node.resolve_topic_name(behind(prefix, topic))
        if output in taken:
            raise DeploymentError(
                f"{node.get_name()} would publish on {output}, which is the expert's or the robot's own",
                found=f"{behind(prefix, topic)}, remapped",
                fix="undo that remapping: the node needs topics of its own to publish on",
            )
    return [
        node.advertise(
            behind(prefix, topic),
            import_message_class(source.channel.type),
            qos_profile(source.channel.qos, reliable=reliable),
        )
        for topic, source in zip(contract.gate.expert_topics, contract.action_sources, strict=True)
    ]


def subscribe_to_expert(
    node: UnderstudyNode, contract: Contract, callback: Callable[..., None], *, reliable: bool
) -> None:
    """Call ``callback`` with the channel's number, the bytes, and its ``MessageInfo`` where it takes that, of every
    message of the expert.
    """
    for index, (topic, source) in enumerate(zip(contract.gate.expert_topics, contract.action_sources, strict=True)):
        node.subscribe(
            topic,
            import_message_class(source.channel.type),
            partial(callback, index),
            qos_profile(source.channel.qos, reliable=reliable),
            raw=True,
        )
