"""The SROS2 policy: sound by its schema, tight in who may say what, and no narrower than what the nodes really do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_processes import REPOSITORY, RosEnvironment

from models.bundle.reading import inspect_bundle
from models.contract import Contract, load_contract, parse_contract
from understudy.__main__ import run
from understudy.security_policy import Enclave, enclaves, policy_xml
from understudy.stacks.params_file import ParamsFile

DRIVING = REPOSITORY / "contracts" / "driving.yaml"
EVERY_FEATURE = REPOSITORY / "tests" / "data" / "contracts" / "every_feature.yaml"
COMMITTED = REPOSITORY / "security" / "understudy.policy.xml"
PARAMS = REPOSITORY / "launch" / "params" / "driving.yaml"
#: What every ROS node may say.
COMMON = {"/rosout", "/parameter_events", "/diagnostics"}

# Element → attributes that it must have, attributes that it may have, elements that it may hold, whether it needs one:
# the schema of SROS2 policies, version 0.2.0.
RIGHTS = {
    "topics": ({"publish", "subscribe"}, "topic"),
    "services": ({"reply", "request"}, "service"),
    "actions": ({"call", "execute"}, "action"),
}
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "policy": ({"version"}, set(), {"enclaves"}),
    "enclaves": (set(), set(), {"enclave"}),
    "enclave": ({"path"}, set(), {"profiles"}),
    "profiles": (set(), {"type"}, {"profile", "metadata"}),
    "profile": ({"ns", "node"}, set(), set(RIGHTS)),
    **{group: (set(), rights, {child}) for group, (rights, child) in RIGHTS.items()},
    **{child: (set(), set(), set()) for _, child in RIGHTS.values()},
}


def breaches(element: ElementTree.Element) -> Iterator[str]:
    """What of an element the schema does not allow."""
    if element.tag not in SCHEMA:
        yield f"unknown element {element.tag}"
        return
    required, optional, children = SCHEMA[element.tag]
    attributes = set(element.attrib)
    if not required <= attributes <= required | optional:
        yield f"attributes of {element.tag}: {sorted(attributes)}"
    if element.tag in RIGHTS and not (attributes and set(element.attrib.values()) <= {"ALLOW", "DENY"}):
        yield f"{element.tag} gives no right: {element.attrib}"
    if children and not len(element):
        yield f"{element.tag} is empty"
    if not children and not re.fullmatch(r"/(\*|[a-z][a-z0-9_]*(/[a-zA-Z0-9_]+)*)", element.text or ""):
        yield f"{element.tag}: {element.text!r} is no name"
    for child in element:
        if child.tag not in children:
            yield f"{child.tag} in {element.tag}"
        yield from breaches(child)


def policy_of(contract: Contract, **options: Any) -> dict[str, Enclave]:
    return {enclave.node: enclave for enclave in enclaves(contract, **options)}


def read(text: str) -> dict[str, dict[str, set[str]]]:
    """Node to right to names, of a policy file."""
    found: dict[str, dict[str, set[str]]] = {}
    for enclave in ElementTree.fromstring(text).iter("enclave"):
        rights = found.setdefault(enclave.attrib["path"].lstrip("/"), {})
        for group in (group for tag in RIGHTS for group in enclave.iter(tag)):
            for right in group.attrib:
                rights.setdefault(right, set()).update(one.text or "" for one in group)
    return found


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", [DRIVING, EVERY_FEATURE])
@pytest.mark.parametrize("sim", [True, False])
def test_a_policy_is_sound_by_its_schema(contract: Path, sim: bool) -> None:
    """Would catch a file that ``ros2 security`` refuses, on the robot, when nobody has the time to mend it."""
    text = policy_xml("my robot -- the second", enclaves(load_contract(contract), sim=sim))
    root = ElementTree.fromstring(text)
    assert root.tag == "policy"
    assert root.attrib == {"version": "0.2.0"}
    assert not list(breaches(root))
    paths = [enclave.attrib["path"] for enclave in root.iter("enclave")]
    assert len(paths) == len(set(paths))
    assert [f"/{profile.attrib['node']}" for profile in root.iter("profile")] == paths


@pytest.mark.parametrize(
    "broken",
    [
        '<policy version="0.2.0"><enclaves/></policy>',
        '<policy><enclaves><enclave path="/a"/></enclaves></policy>',
        '<profile ns="/" node="a"><topics publish="allow"><topic>/a</topic></topics></profile>',
        '<profile ns="/" node="a"><topics><topic>/a</topic></topics></profile>',
        '<profile ns="/" node="a"><topics publish="ALLOW"><service>/a</service></topics></profile>',
        '<profile ns="/" node="a"><topics publish="ALLOW"><topic>a b</topic></topics></profile>',
        '<profile node="a"><topics publish="ALLOW"><topic>/a</topic></topics></profile>',
        '<profile ns="/" node="a"><topic>/a</topic></profile>',
    ],
)
def test_the_checker_of_the_schema_sees_what_is_wrong(broken: str) -> None:
    assert list(breaches(ElementTree.fromstring(broken)))


def test_the_committed_file_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a node that got a topic, and a policy that still denies it."""
    assert run(["security", "policy", "--contract", str(DRIVING)]) == 0
    assert capsys.readouterr().out == COMMITTED.read_text()


def test_the_command_knows_what_a_parameter_file_adds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Would catch a recorder that is denied its extra topics, and a leader arm that teleop never hears."""
    params = tmp_path / "params.yaml"
    params.write_text(
        "recorder: {ros__parameters: {extra_topics: ['', '/battery sensor_msgs/msg/BatteryState']}}\n"
        "teleop: {ros__parameters: {leader_topics: [/leader/joint_states]}}\n"
    )
    arguments = ["security", "policy", "--no-sim", "--contract", str(EVERY_FEATURE), "--params-file", str(params)]
    assert run(arguments) == 0
    policy = read(capsys.readouterr().out)
    assert "/battery" in policy["recorder"]["subscribe"]
    assert "/leader/joint_states" in policy["teleop"]["subscribe"]
    assert "sim" not in policy


def test_the_package_installs_the_policy() -> None:
    link = REPOSITORY / "ros2_ws" / "src" / "il_nodes" / "security"
    assert link.resolve() == REPOSITORY / "security"
    assert 'glob("security/*.xml")' in (link.parent / "setup.py").read_text()


# -- who may say what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", [DRIVING, EVERY_FEATURE])
@pytest.mark.parametrize("sim", [True, False])
def test_only_the_gate_commands(contract: Path, sim: bool) -> None:
    """Would catch the one mistake for which all of this is there."""
    robot = load_contract(contract)
    policy = policy_of(robot, sim=sim)
    for source in robot.action_sources:
        assert [node for node, one in policy.items() if source.channel.topic in one.publish] == ["gate"]


@pytest.mark.parametrize("sim", [True, False])
def test_every_topic_has_one_owner(sim: bool) -> None:
    """Would catch a second node that may speak with another's voice; two experts are either the one or the other."""
    policy = policy_of(load_contract(DRIVING), sim=sim)
    owners: dict[str, set[str]] = {}
    for node, enclave in policy.items():
        for topic in enclave.publish - COMMON:
            owners.setdefault(topic, set()).add(node)
    shared = {topic: nodes for topic, nodes in owners.items() if len(nodes) > 1}
    assert shared == ({"/expert/cmd_vel": {"expert", "teleop"}} if sim else {})
    expected = {"/gate/decision": "gate", "/policy/proposal": "policy", "/recorder/ack": "recorder", "/joy": "joy_node"}
    expected |= {"/clock": "sim", "/episode": "sim"} if sim else {"/odom": "robot", "/episode": "recorder"}
    for topic, node in expected.items():
        assert owners[topic] == {node}, topic


def test_nobody_but_a_person_calls_the_gate() -> None:
    """Would catch a policy that may enable itself."""
    policy = policy_of(load_contract(DRIVING))
    assert {node for node, one in policy.items() if one.request} == {"teleop", "operator"}
    assert policy["operator"].publish <= COMMON
    assert {node for node, one in policy.items() if any("*" in name for name in one.publish | one.reply)} == set()


def test_relative_names_are_resolved() -> None:
    """Would catch a permission for ``cmd_vel``, which is no whole name, and so a gate that is denied its own."""
    text = DRIVING.read_text().replace("topic: /cmd_vel", "topic: cmd_vel").replace("/expert/cmd_vel", "expert/cmd_vel")
    policy = policy_of(parse_contract(text))
    assert "/cmd_vel" in policy["gate"].publish
    assert "/noise/expert/cmd_vel" in policy["gate"].subscribe
    assert "/label/expert/cmd_vel" in policy["labeller"].publish


# -- what the nodes really do ------------------------------------------------------------------------------------------


def used(probe: Any, node: str) -> dict[str, set[str]]:
    """What the graph knows of a node: right to names."""
    by_node = {
        "publish": probe.get_publisher_names_and_types_by_node,
        "subscribe": probe.get_subscriber_names_and_types_by_node,
        "reply": probe.get_service_names_and_types_by_node,
        "request": probe.get_client_names_and_types_by_node,
    }
    return {right: {name for name, _ in ask(node, "/")} for right, ask in by_node.items()}


def missing(policy: dict[str, Enclave], node: str, uses: dict[str, set[str]]) -> list[str]:
    """What a node does and its enclave denies."""
    enclave = policy[node]
    return [
        f"{node} {right} {name}" for right, names in uses.items() for name in sorted(names - getattr(enclave, right))
    ]


def use_of(ros: RosEnvironment, nodes: Sequence[str]) -> dict[str, dict[str, set[str]]]:
    """What running nodes do: once all are active, and the graph no longer grows."""
    probe = ros.probe
    active: set[str] = set()

    def listen(message: Any) -> None:
        for status in message.status:
            name, _, part = status.name.partition(": ")
            if part == "connections" and {item.key: item.value for item in status.values}.get("active") == "true":
                active.add(name)

    probe.create_subscription(DiagnosticArray, "/diagnostics", listen, 50)
    ros.wait_until(lambda: set(nodes) <= active, 40, f"{', '.join(nodes)} are active")
    seen: dict[str, dict[str, set[str]]] = {}
    since = time.monotonic()

    def settled() -> bool:
        nonlocal seen, since
        now = {node: used(probe, node) for node in nodes}
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 1.5

    ros.wait_until(settled, 20, "the graph settles")
    return seen


@pytest.mark.ros
@pytest.mark.sim
def test_the_policy_allows_what_the_nodes_do(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch a topic or a service that a node got since the policy was written: secured, it would stand still."""
    noise = tmp_path / "noise.yaml"
    noise.write_text(
        "format: understudy-noise-1\nnames: [twist.linear.x, twist.angular.z]\nunits: [m/s, rad/s]\n"
        "std: [0.1, 0.1]\nseed: 1\n"
    )
    own: dict[str, dict[str, object]] = {
        "sim": {"wait_for_nodes": [""], "max_episode_s": 600.0},
        "expert": {},
        "teleop": {"device": "joy"},
        "noise": {"file": str(noise)},
        "labeller": {},
        "observation": {},
        "gate": {},
        "recorder": {"directory": str(tmp_path / "bags")},
    }
    for node, parameters in own.items():
        ros_environment.spawn_node(node, parameters, params_file=PARAMS)
    extra = ParamsFile(PARAMS).texts("recorder", "extra_topics")
    policy = policy_of(load_contract(DRIVING), recorded=extra)
    seen = use_of(ros_environment, list(own))
    assert "/gate/takeover" in seen["teleop"]["request"]
    assert [line for node in own for line in missing(policy, node, seen[node])] == []
    assert {node for node in own if "/cmd_vel" in seen[node]["publish"]} == {"gate"}
    # The comparison itself: an enclave without a right that its node uses is seen.
    narrow = {**policy, "gate": replace(policy["gate"], publish=frozenset())}
    assert "gate publish /cmd_vel" in missing(narrow, "gate", seen["gate"])


@pytest.mark.ros
def test_the_policy_allows_what_a_policy_does(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """The same for the node that never runs beside noise."""
    bundle = REPOSITORY / "tests" / "data" / "bundles" / "small_car.onnx"
    contract = inspect_bundle(bundle).contract
    (tmp_path / "small_car.yaml").write_text(contract.text)
    ros_environment.spawn_node("policy", {"contract": str(tmp_path / "small_car.yaml"), "bundle": str(bundle)})
    seen = use_of(ros_environment, ["policy"])
    assert "/policy/proposal" in seen["policy"]["publish"]
    assert missing(policy_of(contract, sim=False), "policy", seen["policy"]) == []


def test_a_simulated_arm_is_let_hear_and_say_what_it_does() -> None:
    """Would catch an arm whose simulator is only let drive a car, and whose expert is told nothing."""
    contract = load_contract(REPOSITORY / "contracts" / "grasping.yaml")
    by_name = {enclave.node: enclave for enclave in enclaves(contract)}
    observed = {topic for stream in contract.observations for topic in stream.topics}
    assert observed <= by_name["sim"].publish
    assert {"/tool/cmd_vel", "/gripper/command"} <= by_name["sim"].subscribe
    assert {"/sim/objects", "/sim/shapes", "/joint_states", "/episode"} <= by_name["expert"].subscribe
    assert "/sim/objects" not in by_name["policy"].subscribe, "a policy sees what a robot sees"
