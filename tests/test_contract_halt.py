"""``gate.halt.stop``: where a robot goes on a halt, and which dimensions stay where they are."""

from __future__ import annotations

import pytest
from gated_robot import ARM, CONTRACT

from models.contract import Contract, parse_contract
from models.errors import ContractError
from understudy.contracts.check import describe

HELD = "halt: {ramp: 0.5, stop: hold}"


def arm(old: str, new: str) -> Contract:
    assert ARM.text.count(old) == 1
    return parse_contract(ARM.text.replace(old, new))


def test_the_limits_say_where_to_stop_unless_the_gate_does() -> None:
    assert CONTRACT.gate.halt_stop == "limits"
    assert not CONTRACT.action_held.any()
    assert ARM.gate.halt_stop == "hold"
    assert ARM.gate.halt_ramp_s == 0.5


@pytest.mark.parametrize(("stop", "held"), [("zeros", False), ("hold", True), (" Hold ", True)])
def test_every_way_to_stop_is_understood(stop: str, held: bool) -> None:
    made = arm(HELD, f"halt: {{stop: '{stop}'}}")
    assert made.gate.halt_stop == stop.strip().lower()
    assert made.action_held.tolist() == [held, False]


@pytest.mark.parametrize("halt", ["{stop: limits}", "{ramp: 1 s}"])
def test_limits_that_say_where_to_stop_have_to_say_it_for_positions(halt: str) -> None:
    with pytest.raises(ContractError, match="a position needs an explicit 'stop'"):
        arm(HELD, f"halt: {halt}")


def test_a_position_is_held_by_its_unit_or_by_what_the_message_must_mean() -> None:
    """Without a unit a joint's position is one all the same; a speed is never held, for it would drive on."""
    bare = arm("{min: -2, max: 2, rate: 2, unit: rad}", "{min: -2, max: 2, rate: 2}")
    assert bare.action_held.tolist() == [True, False]
    assert [one.is_position for one in bare.limits] == [True, False]
    head, tail = ARM.text.split("actions:")
    speed = parse_contract(
        head + "actions:" + tail.replace("position.elbow", "velocity.elbow").replace(": rad}", ": rad/s}")
    )
    assert speed.gate.halt_stop == "hold"
    assert not speed.action_held.any()


def test_what_may_be_a_position_has_to_say_its_unit() -> None:
    """A plain array's number may be a speed: held, it would drive on; not held, an arm would go to zero."""
    array = ARM.text.replace(
        "/elbow/command, type: sensor_msgs/msg/JointState", "/elbow/command, type: std_msgs/msg/Float64MultiArray"
    )
    array = array.replace(
        "align: {strategy: hold, timeline: header}\n      select: [position.elbow]",
        "align: {strategy: hold, timeline: receive}\n      select: [position.elbow]",
    )
    assert parse_contract(array).action_held.tolist() == [True, False]
    unclear = array.replace("rate: 2, unit: rad}", "rate: 2}")
    with pytest.raises(ContractError, match="has to know whether this is a position"):
        parse_contract(unclear)
    assert parse_contract(unclear.replace("stop: hold", "stop: zeros")).action_stop.tolist() == [0.0, 0.0]


def test_an_explicit_stop_is_allowed_and_the_gate_wins() -> None:
    """So that a contract which had to have one can be switched to holding without another hash."""
    stopped = arm("rate: 2, unit: rad}", "rate: 2, unit: rad, stop: 1}")
    assert stopped.action_held.tolist() == [True, False]
    assert stopped.action_stop.tolist() == [1.0, 0.0]
    assert stopped.hash == parse_contract(stopped.text.replace(HELD, "halt: {ramp: 0.5}")).hash
    assert not stopped.action_held.flags.writeable


def test_zeros_are_brought_into_the_limits() -> None:
    text = CONTRACT.text.replace("{min: 0, max: 8 m/s", "{min: 1, max: 8 m/s").replace(
        "unit: m/s, stop: 0", "unit: m/s, stop: 2"
    )
    assert parse_contract(text).action_stop.tolist() == [2.0, 0.0]
    assert parse_contract(text.replace("halt: {ramp: 1 s}", "halt: {stop: zeros}")).action_stop.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("halt", "words"),
    [
        ("{stop: freeze}", "not one of the choices"),
        ("{stop: 3}", "not one of the choices"),
        ("{stopp: hold}", "did you mean 'stop'"),
    ],
)
def test_another_word_is_refused(halt: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        arm(HELD, f"halt: {halt}")


@pytest.mark.parametrize("gate", ["hold", "{halt: hold}", "[halt]", "{halt: {stop: [hold]}}"])
def test_a_gate_of_another_shape_is_refused_and_holds_nothing(gate: str) -> None:
    """The limits are read before the gate, and must not stumble over what is wrong there."""
    text = ARM.text[: ARM.text.index("gate:")] + f"gate: {gate}\n"
    with pytest.raises(ContractError, match="gate"):
        parse_contract(text)


def test_the_check_advises_arms_to_hold() -> None:
    """A halt that sends an arm somewhere is legal and likely to hurt; one that holds it has nothing to warn of."""
    warnings = describe(arm("unit: rad}", "unit: rad, stop: 0.5}")).warnings
    assert not any("elbow" in one for one in warnings), warnings
    moving = ARM.text.replace("unit: rad}", "unit: rad, stop: 0.5}").replace(HELD, "halt: {ramp: 5}")
    assert any("a halt moves this position to 0.5 rad" in one for one in describe(parse_contract(moving)).warnings)
    unmeasured = arm("select: [velocity.elbow, position.elbow]", "select: [velocity.elbow]")
    assert any("no observation of that name measures it" in one for one in describe(unmeasured).warnings)
