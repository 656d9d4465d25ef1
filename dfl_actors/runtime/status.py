"""What a watcher is told of a node: a snapshot, made by the supervisor from what the actors count."""

import msgspec


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the live table. Accuracies are fractions in 0..1, or None while nothing was measured; for `test_age` seconds the node has
    had another model than the one that was measured on the test samples last, and `tests` are its latest ones, oldest first. `attack` is
    empty for a node that does not attack.

    `rate` are the transactions that it makes and receives in a second. Its last block became final `block_age` seconds ago, and one usually
    takes `block_every`; `stalled` are the seconds without one where that is several times as long.
    """

    name: str
    role: str = "normal"
    attack: str = ""
    state: str = "starting"
    samples: int = 0
    steps: int = 0
    sent: int = 0
    received: int = 0
    receipts: int = 0
    height: int = 0
    test_accuracy: float | None = None
    test_age: float | None = None
    tests: tuple[float, ...] = ()
    rate: float | None = None
    block_age: float | None = None
    block_every: float | None = None
    stalled: float | None = None
    own_accuracy: float | None = None
    reputations: dict[str, float] = {}
    restarts: int = 0


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole network at one moment. `elapsed` is in seconds since all actors were ready, in `session` 1 or one that was resumed, and no
    longer grows once the run stops; while it starts, since the command. `every` are the seconds between two measurements of a node; `waits`
    says what a start, or a stop, waits for; `remarks` are for the person who watches."""

    name: str
    state: str
    elapsed: float
    duration: float | None = None
    target: float | None = None
    session: int = 1
    every: float = 0.0
    waits: str = ""
    nodes: tuple[NodeStatus, ...] = ()
    remarks: tuple[str, ...] = ()


class NeighbourStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a neighbour is. Times are ms since the epoch, 0 for never: `linked` is since when. `clock_ms` is by how much its clock is
    ahead. `genesis` says which keys make its network another one, `settings` what else it has otherwise: its value and ours.
    `refused` and `refused_by`, whole lines, are of the last half minute. `parted` is a link that is down on purpose."""

    name: str
    linked: int = 0
    heard: int = 0
    clock_ms: int | None = None
    clock_off: bool = False
    height: int | None = None
    accuracy: float | None = None
    parted: bool = False
    handshake: str = ""
    genesis: str = ""
    settings: dict[str, tuple[str, str]] = {}
    refused: tuple[str, ...] = ()
    refused_by: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is to be done. Settings that differ may be meant."""
        wrong = self.handshake or self.genesis or self.refused or self.refused_by or self.clock_off
        return self.parted or (bool(self.linked) and not wrong)


class NodeStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A node of this machine and its neighbours."""

    node: NodeStatus
    neighbours: tuple[NeighbourStatus, ...] = ()

    @property
    def well(self) -> bool:
        return self.node.state == "running" and self.node.stalled is None and all(neighbour.well for neighbour in self.neighbours)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What `status.json` holds: how the run was at `t` (ms since the epoch). The accuracies are what `measured_by` says; `waits` is what a
    start, or a stop, waits for."""

    t: int
    name: str
    state: str
    elapsed: float
    nodes: tuple[NodeStanding, ...] = ()
    waits: str = ""
    remarks: tuple[str, ...] = ()
    measured_by: str = "accuracy"

    @property
    def well(self) -> bool:
        return self.state == "running" and all(node.well for node in self.nodes)
