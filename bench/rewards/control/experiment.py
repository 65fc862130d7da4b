"""All that is measured in classic control of those who only watch, one part a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.harness import Bench
from bench.rewards.control.adversarial import LEARNED
from bench.rewards.control.bco import bco_returns
from bench.rewards.control.dynamics import dynamics
from bench.rewards.control.experts import experts
from bench.rewards.control.gail import gail_signs
from bench.rewards.control.gail_peer import RACES, gail_peer
from bench.rewards.control.gcl import gcl_pieces
from bench.rewards.control.ilpo import ilpo_returns
from bench.rewards.control.pmi import PANELS, pmi_ablation
from bench.rewards.control.ppo import ppo_peer, ppo_returns
from bench.rewards.control.watched import TASK_NAMES

__all__ = ["PARTS"]

PARTS: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    "control.dynamics": dynamics,
    "control.experts": experts,
    **{f"control.bco.{name}": partial(bco_returns, name) for name in TASK_NAMES},
    **{f"control.ilpo.{name}": partial(ilpo_returns, name) for name in TASK_NAMES},
    "control.ppo": ppo_returns,
    "control.ppo-peer": ppo_peer,
    **LEARNED,
    "control.gail-signs": gail_signs,
    **{f"control.gail-peer.{name}": partial(gail_peer, name) for name in RACES},
    "control.gcl-pieces": gcl_pieces,
    **{f"control.pmi-ablations.{panel}": partial(pmi_ablation, panel) for panel in PANELS},
}
