"""What a process has to know to become one actor of one node; written by the launcher, handed over when the process starts."""

from pathlib import Path
from typing import TypeVar

import msgspec

from dfl_actors.actors.base import Settings
from dfl_actors.config import Config, Node
from dfl_actors.core.control import Endpoints
from dfl_actors.learning.weights import Layer

EVALUATOR = "evaluator"
SUPERVISOR = "supervisor"
GOLDEN = (5**0.5 - 1) / 2  # Its multiples, less their whole parts, are spread evenly over 0 to 1, however many they are.
DEADLINES = 10  # After so many of them a draft that nobody confirmed is given up, unless `block.abandon_s` says otherwise.


S = TypeVar("S", bound=Settings)


class NodePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One node of this machine."""

    config: Config
    node: Node
    settings: Settings
    parameters: int
    """Of the model."""
    samples: int
    """Different training samples that the node may draw."""
    whole_network: bool
    """Whether all nodes of the network run here, so that every link has to stand before work begins."""
    layers: tuple[Layer, ...]
    bind: Endpoints
    curve_allowed: frozenset[str]
    directory: Path
    """The run directory."""
    keys: Path
    """The directory of the node's key files."""
    sockets: Path
    """The directory of the ipc sockets."""
    cache: Path
    """Where the data set lies unpacked."""
    folder: Path
    """Where a plug-in's `file.py` is looked for."""
    anchor: int
    """The wall clock of the run: what to add to the monotonic time, in ms (`runtime.clock`)."""
    starts: int
    """How often this run was started: 0, and one more for each `--resume`."""
    rejoins: bool = False
    """Whether it comes back to a network that runs, and waits for no link before it works."""
    adopt: bool = False
    """Whether it may begin behind what its directory has lost (`runtime.adoption`)."""
    stated: dict[str, str] = {}
    """What the configuration says of the node, for its neighbours to compare (`config.stated`)."""
    expected: dict[str, dict[str, str]] = {}
    """What it says of the neighbours, by address, where that is something else."""
    founders: frozenset[str] = frozenset()
    """The members that the genesis names."""
    addresses: dict[str, str] = {}
    """The addresses of the nodes whose keys are known, by name: for an attack that looks around."""


def settings_of(plan: NodePlan, kind: type[S]) -> S:
    """What one of the node's actors needs of the configuration, in its own units."""
    config, node = plan.config, plan.node
    known = {
        **msgspec.structs.asdict(plan.settings),
        "node": node.name,
        "parameters": plan.parameters,
        "founders": plan.founders,
        "asks": not plan.whole_network and not plan.rejoins,
        "stated": plan.stated,
        "expected": plan.expected,
        "links": links_needed(plan),
        "role": node.role,
        "codec": config.gossip.codec,
        "ttl": config.gossip.ttl,
        "expiry": milliseconds(config.gossip.expiry_s),
        "skew": milliseconds(config.gossip.max_skew_s),
        "heartbeat": milliseconds(config.gossip.heartbeat_s),
        "fetch_timeout": milliseconds(config.gossip.fetch_timeout_s),
        "transactions": config.block.transactions,
        "receipts": config.block.receipts,
        "receipt_wait": milliseconds(config.block.receipt_wait_s),
        "confirmations": config.block.confirmations,
        "per": config.block.per,
        "deadline": milliseconds(config.block.deadline_s),
        "abandon": milliseconds(config.block.abandon_s or DEADLINES * config.block.deadline_s),
        "memo": config.block.memo,
        "batch": config.training.batch,
        "steps": node.steps_per_transaction,
        "rate": node.rate * node.speed,
        "speed": node.speed,
        "optimizer": config.training.optimizer,
        "algorithm": f"{node.algorithm} {node.parameters}",
        "tests": config.data.test_samples,
        "stock": plan.samples,
        "buffer": node.buffer,
        "window": 4 * config.training.batch * node.steps_per_transaction,
        "ahead": ahead(plan),
    }
    return msgspec.convert(known, kind)


def ahead(plan: NodePlan) -> int:
    """Samples that are due at the start of a node with a fixed rate: less than for a transaction, and others for every node.

    Nodes that begin together, at one rate, would otherwise train at the same moments for ever: they would want the processors at once,
    and what a node learns of the others would be half a step older than where they train by turns, as in the simulator and on hosts of
    their own.
    """
    node, config = plan.node, plan.config
    turn = [one.name for one in config.nodes].index(node.name) * GOLDEN % 1
    return int(turn * config.training.batch * node.steps_per_transaction) if node.rate else 0


def links_needed(plan: NodePlan) -> int:
    """How many links must stand before work begins."""
    if plan.rejoins:
        return 0
    return len(plan.node.neighbours) if plan.whole_network else min(1, len(plan.node.neighbours))


def milliseconds(seconds: float) -> int:
    """At least one."""
    return max(1, round(1000 * seconds))
