"""The sections of a topology file and of one node: every key with its type, its limits and its default."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Amount = Annotated[int, Meta(ge=0, le=1_000_000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Seconds = Annotated[float, Meta(gt=0, le=1e7)]
SecondsOrNever = Annotated[float, Meta(ge=0, le=1e7)]
Intervals = Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]  # ticks, each as likely
Delays = Annotated[tuple[Annotated[int, Meta(ge=0, le=10_000)], ...], Meta(min_length=1, max_length=1000)]  # ticks, each as likely
# Not tuple[NotNegative, NotNegative]: msgspec 0.22 crashes on a tuple of fixed length beside a number with limits.
Range = Annotated[tuple[NotNegative, ...], Meta(min_length=2, max_length=2, description="a pair [low, high] of such numbers")]
LabelWeight = NotNegative | Range
LabelWeights = dict[str, LabelWeight] | tuple[LabelWeight, ...]
Buffer = Annotated[int, Meta(ge=1, le=1000)]
Name = Annotated[str, Meta(pattern=r"^[^/\\\x00-\x1f\x7f]{1,64}\Z", description="1 to 64 characters, no slash")]
Digits = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 hexadecimal digits in lower case")]
Z85 = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z", description="a CURVE public key of 40 characters")]
Plugin = Annotated[str, Meta(min_length=1, max_length=1024)]
Parameter = bool | int | float | str | list[bool | int | float | str]
Role = Literal["normal", "observer"]
Text = Annotated[str, Meta(min_length=1, max_length=128)]
Names = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=65_536)]
Shape = Annotated[tuple[Annotated[int, Meta(ge=1, le=2**31 - 1)], ...], Meta(max_length=8)]
MODEL_FILES = (".keras", ".json")  # How the name of a saved model, or of its architecture alone, ends.
BUNDLED = ("mnist", "digits")  # The data sets that come with the program.
DATA_FILES = (".npz", ".csv", ".parquet")


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. Times are in seconds, as people write them; the actors turn them into milliseconds."""


class Network(Section, frozen=True):
    name: Name = "network"  # the file's name, unless the file says otherwise
    nodes: Annotated[int, Meta(ge=2, le=1000)] | tuple[str, ...] = 4
    links: Literal["full", "ring", "line", "star"] | tuple[str, ...] = "full"
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    founders: Annotated[tuple[Digits, ...], Meta(max_length=1000)] | None = None  # None: the public keys of all nodes


class Training(Section, frozen=True):
    model: Plugin = "lenet"
    batch: Annotated[int, Meta(ge=1, le=65536)] = 64
    steps_per_transaction: Count = 1
    optimizer: Annotated[str, Meta(max_length=1024)] = ""  # "": what the model was compiled with, else "sgd"
    optimizer_parameters: dict[str, Parameter] = {}
    loss: Annotated[str, Meta(max_length=1024)] = ""  # "": what the model was compiled with, else the task's usual one
    learning_rate: Positive | None = None  # 0.01 for "sgd"; every other optimiser has its own
    # Keys that are None are the optimiser's, see docs/models.md.
    momentum: Annotated[float, Meta(ge=0, lt=1)] | None = None
    weight_decay: Fraction = 5e-4
    gamma: NotNegative | None = None
    power: NotNegative = 0.75
    floor: Fraction | None = None  # the part of the learning rate below which its decay does not go
    bias_rate: NotNegative = 2.0
    balance: Fraction | None = None  # how far labels that are rare in a batch weigh more: 0 not at all, 1 as much as the others
    clip: NotNegative | None = None  # the longest gradient, with noise that of a single sample; 0: any
    noise: NotNegative = 0.0  # standard deviations of `clip` that are added to the sum of a batch's gradients
    init: Literal["shared", "independent", "file"] = "shared"
    device: Literal["auto", "cpu", "gpu"] = "cpu"


class Data(Section, frozen=True):
    source: Plugin = "mnist"
    task: Literal["classification", "multilabel", "regression"] = "classification"
    labels: Annotated[int, Meta(ge=0, le=65_536)] | Names = 0  # 0: those that the source has
    shape: Shape | dict[str, Shape] = ()  # of a sample, or of each of its inputs; (): as it lies in the source
    scale: Positive = 1 / 256  # what uint8 images are multiplied by
    target: str | Names = ""  # the column, or columns, of a table that say what a row is
    columns: tuple[Text, ...] = ()  # those to learn from; (): all the others
    holdout: Annotated[float, Meta(gt=0, lt=1)] = 0.2  # of the samples of a source that has no test samples
    partition: Literal["iid", "samples", "dirichlet", "labels", "weights", "own"] = "iid"
    alpha: Positive = 1.0
    labels_per_node: Annotated[int, Meta(ge=1, le=256)] = 2
    rate: NotNegative = 8.0  # samples a second; 0: as fast as the trainer takes them
    test_samples: Annotated[int, Meta(ge=1, le=100_000)] = 100


class Gossip(Section, frozen=True):
    ttl: Annotated[int, Meta(ge=1, le=16)] = 1
    expiry_s: Seconds = 60.0
    codec: Literal["float32", "float16"] = "float32"
    fetch_timeout_s: Seconds = 10.0
    heartbeat_s: Seconds = 1.0
    max_skew_s: Seconds = 5.0


class Block(Section, frozen=True):
    transactions: Annotated[int, Meta(ge=1, le=256)] = 4
    receipts: Annotated[int, Meta(ge=1, le=256)] = 1  # the least a transaction needs
    receipt_wait_s: Seconds = 10.0  # how long a transaction waits for the receipts of all neighbours
    confirmations: Fraction = 1.0
    per: Literal["block", "transaction"] = "block"
    deadline_s: Seconds = 30.0
    abandon_s: SecondsOrNever = 0.0  # 0: ten times deadline_s
    memo: Annotated[str, Meta(max_length=256)] = ""


class Update(Section, frozen=True):
    algorithm: Plugin = "steady"
    buffer: Buffer = 4
    parameters: dict[str, Parameter] = {}


class Transport(Section, frozen=True):
    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65534)] = 0
    curve: Literal["auto", "on", "off"] = "auto"


class Store(Section, frozen=True):
    models: Annotated[int, Meta(ge=0, le=100_000)] = 0  # 0: as many as the buffer and the neighbours need


class Run(Section, frozen=True):
    duration_s: SecondsOrNever = 0.0
    target: Fraction = 0.0
    blocks: Amount = 0
    evaluate_s: SecondsOrNever = 2.0
    evaluate_samples: Amount = 1000  # while the run goes on; 0: all, as at the end
    speed: Annotated[float, Meta(ge=0.001, le=10_000)] = 1.0


class Churn(Section, frozen=True):
    """Nodes that leave and come back, as a trace says or drawn: the times that one stays and is away are exponential, with these means."""

    trace: Annotated[str, Meta(max_length=1024)] = ""
    up_s: SecondsOrNever = 0.0  # 0: nobody leaves
    down_s: Seconds = 60.0


class Sim(Section, frozen=True):
    """Of the simulator alone: its time is counted in ticks, and it has no chain."""

    ticks: Count = 4000
    tick_s: Seconds = 1.0  # of events whose time is given in seconds, and of churn
    interval: Intervals = (8, 9, 10, 11, 12)
    check_every: Amount = 20
    check_samples: Amount = 100
    models: bool = True  # whether each node's model is kept as it was measured last
    compare_every: Amount = 20
    exchange: Literal["all", "weights"] = "all"
    measure_biases: bool = True
    share_test_models: bool = False
    delay: Delays = (0,)
    loss: Fraction = 0.0
    broadcast_every: Amount = 0
    ensemble: bool = False
    peer_control: bool = False
    peer_interval: Count = 50
    peer_high: Fraction = 0.8
    peer_low: Fraction = 0.2
    peer_buffer: Literal["linear", "static"] = "linear"


# In the order of a file; the table of a node, below, is none of them.
SECTIONS: Mapping[str, type[Section]] = {kind.__name__.lower(): kind for kind in Section.__subclasses__()}


class NodeOptions(Section, frozen=True):
    """A `[node.NAME]` table. What is None is as in the sections."""

    role: Role = "normal"
    source: Plugin | None = None
    rate: NotNegative | None = None
    steps_per_transaction: Count | None = None
    label_weights: LabelWeights | None = None
    buffer: Buffer | None = None
    algorithm: Plugin | None = None
    parameters: dict[str, Parameter] | None = None
    interval: Intervals | None = None
    attack: Plugin | None = None
    attack_parameters: dict[str, Parameter] | None = None
    listen: str | None = None
    public_key: Digits | None = None
    curve_key: Z85 | None = None
    inlet: str | None = None
    feeders: tuple[Z85, ...] | None = None


class Event(Section, frozen=True):
    """An `[[event]]` table: something that happens to a node or a link at a time. What is None is left out, or missing."""

    tick: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    at_s: NotNegative | None = None
    do: Literal["leave", "join", "link", "unlink", "slow", "attack", "honest", "drift"] | None = None
    node: str | None = None
    link: str | None = None
    factor: Annotated[float, Meta(ge=0.001, le=1000)] | None = None
    attack: Plugin | None = None
    attack_parameters: dict[str, Parameter] | None = None
    label_weights: LabelWeights | None = None
