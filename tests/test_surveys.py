"""Where a robot is looked for, and what is said when it is not there."""

from __future__ import annotations

import pytest
from survey_samples import survey

from models.errors import DeploymentError
from understudy.contracts import surveys
from understudy.contracts.surveys import elsewhere, shell_domain, where


@pytest.mark.parametrize(("variables", "domain"), [({}, 0), ({"ROS_DOMAIN_ID": ""}, 0), ({"ROS_DOMAIN_ID": "42"}, 42)])
def test_the_robot_is_in_the_domain_of_the_shell(variables: dict[str, str], domain: int) -> None:
    """Catches a survey that looks into a free domain, as simulated runs do, where no robot ever is."""
    assert shell_domain(variables) == domain


@pytest.mark.parametrize("text", ["-1", "two", "233", "1.0"])
def test_a_domain_that_is_none_is_refused(text: str) -> None:
    """Catches a traceback about an environment variable."""
    with pytest.raises(DeploymentError, match="no ROS domain"):
        shell_domain({"ROS_DOMAIN_ID": text})


def test_domains_in_use_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a newcomer who has to guess his robot's domain although its ports are open on this machine."""
    monkeypatch.setattr(surveys, "domain_ports_in_use", lambda domain: 3 if domain in (0, 7, 42) else 0)
    assert "--domain 7, 42" in elsewhere(survey())
    monkeypatch.setattr(surveys, "domain_ports_in_use", lambda domain: 0)
    assert "--domain N" in elsewhere(survey())


def test_the_network_is_only_offered_where_it_was_not_looked_at() -> None:
    """Catches advice to try what was tried."""
    assert "--network" in elsewhere(survey())
    assert "--network" not in elsewhere(survey(network=True))
    assert where(survey(domain=3)) == "ROS domain 3 on this machine"
    assert where(survey(network=True)).endswith("and its network")
