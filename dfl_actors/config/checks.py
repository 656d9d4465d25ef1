"""What the values of a topology must keep together. Each check notes all that it finds and says which keys it reads."""

from collections.abc import Callable, Mapping

from dfl_actors.config.config import Config, LabelRanges
from dfl_actors.config.listen import host_port, listen_problem
from dfl_actors.config.sections import LabelWeight, LabelWeights, Sim, Training
from dfl_actors.config.toml_text import Mistakes, counted
from dfl_actors.config.topology import within
from dfl_actors.core.blocks import LARGEST_DRAFT

TRANSACTION_BYTES, RECEIPT_BYTES = 700, 560  # at most, in a draft
SGD_KEYS = ("momentum", "weight_decay", "gamma", "power", "bias_rate")
MOST_WEIGHTS = 256


def check_roles(config: Config, mistakes: Mistakes) -> None:
    """Somebody must train."""
    if all(node.role == "observer" for node in config.nodes):
        mistakes.add(("node", config.nodes[0].name, "role"), 'every node is an observer, nobody trains; make one node role = "normal"')


def check_attacks(config: Config, mistakes: Mistakes) -> None:
    """An attacker attacks with something."""
    for name, options in config.node_options.items():
        if options.attack is not None and options.role == "observer":
            mistakes.add(("node", name, "attack"), 'an observer offers nothing to attack with; make it role = "normal", or remove this')
        elif options.attack_parameters is not None and options.attack is None:
            mistakes.add(("node", name, "attack_parameters"), "there is no attack that takes them; name one with attack, or remove this")


def check_label_weights(config: Config, mistakes: Mistakes) -> None:
    """Every node has label weights, or none has, as the partition wants it."""
    kind = config.data.partition
    given = {name: options.label_weights for name, options in config.node_options.items() if options.label_weights is not None}
    for name, weights in given.items():
        key = ("node", name, "label_weights")
        if kind != "weights":
            mistakes.add(key, f'has no effect with data.partition = "{kind}"; set that to "weights", or remove this')
        elif problem := weights_problem(weights):
            mistakes.add(key, problem)
    missing = [node.name for node in config.nodes if node.name not in given]
    if kind == "weights" and missing:
        others = f", as are those of {len(missing) - 1} other nodes" if len(missing) > 1 else ""
        problem = f'missing while data.partition = "weights"{others}; give every node a weight for each label'
        mistakes.add(("node", missing[0], "label_weights"), problem)


def check_own_data(config: Config, mistakes: Mistakes) -> None:
    """A node has a source of its own only where nothing is divided, and there no measurement is of a common test set."""
    own = config.data.partition == "own"
    for name, options in config.node_options.items():
        if options.source is not None and not own:
            problem = f'has no effect with data.partition = "{config.data.partition}"; set that to "own", or remove this'
            mistakes.add(("node", name, "source"), problem)
    if own and config.sim.ensemble:
        mistakes.add(("sim", "ensemble"), 'there is no common test set with data.partition = "own"; set it to false')


def weights_problem(weights: LabelWeights) -> str | None:
    """What is wrong with the label weights of a node."""
    ranges = label_ranges(weights)
    by_label = ranges if isinstance(ranges, dict) else {str(label): row for label, row in enumerate(ranges)}
    for label, (low, high) in by_label.items():
        if low > high:
            return f"the range [{low:g}, {high:g}] of label {label} ends below its begin; give the lower number first"
    if len(ranges) > MOST_WEIGHTS or not any(high for _, high in by_label.values()):
        return f"no label has a weight above 0; give 1 to {MOST_WEIGHTS} weights, one of them above 0"
    return None


def label_ranges(given: LabelWeights) -> LabelRanges:
    """The least and the largest weight of each label that is given one, as they are given: a list, or by label."""
    return {label: _range(row) for label, row in given.items()} if isinstance(given, dict) else tuple(map(_range, given))


def _range(weight: LabelWeight) -> tuple[float, float]:
    return (weight[0], weight[-1]) if isinstance(weight, tuple) else (weight, weight)


def check_receipts(config: Config, mistakes: Mistakes) -> None:
    """A transaction can get as many receipts as it needs, from whichever node it comes."""
    neighbours = {node.name: node.neighbours for node in config.nodes}
    reached = {name: len(within(neighbours, name, config.gossip.ttl)) for name in neighbours}
    name, fewest = min(reached.items(), key=lambda item: item[1])
    if config.block.receipts > fewest:
        problem = f'{config.block.receipts} can never come, node "{name}" reaches {fewest} with gossip.ttl = {config.gossip.ttl}'
        mistakes.add(("block", "receipts"), f"{problem}; give at most {fewest}, or add links")


def check_draft(config: Config, mistakes: Mistakes) -> None:
    """A draft is one frame on the wire, whatever its transactions and receipts say."""
    neighbours = {node.name: node.neighbours for node in config.nodes}
    witnesses = max(len(within(neighbours, node.name, config.gossip.ttl)) for node in config.nodes)
    most = LARGEST_DRAFT // (TRANSACTION_BYTES + RECEIPT_BYTES * witnesses)
    if config.block.transactions > most:
        those = f"{counted(config.block.transactions, 'transaction')} with {counted(witnesses, 'receipt')} each"
        mistakes.add(("block", "transactions"), f"{those} do not fit into one message; give at most {most}")


def check_abandon(config: Config, mistakes: Mistakes) -> None:
    """A draft is given up later than it could be final."""
    its = config.block
    if 0 < its.abandon_s < its.deadline_s:
        problem = f"{its.abandon_s:g} is before deadline_s = {its.deadline_s:g}; give more, or 0 for ten deadlines"
        mistakes.add(("block", "abandon_s"), problem)


def check_store(config: Config, mistakes: Mistakes) -> None:
    """The models of a full buffer are still there when it is averaged."""
    largest = max(node.buffer for node in config.nodes)
    if 0 < config.store.models <= largest:
        problem = f"{counted(config.store.models, 'model')} cannot outlast a buffer of {largest}; give more than {largest}"
        mistakes.add(("store", "models"), problem)


def check_target(config: Config, mistakes: Mistakes) -> None:
    """What ends the run is measured."""
    if config.run.target and not config.run.evaluate_s:
        mistakes.add(("run", "target"), "nothing measures it while run.evaluate_s = 0; set evaluate_s, or target = 0")


def check_optimizer(config: Config, mistakes: Mistakes) -> None:
    """Nobody sets what his optimiser does not read."""
    its, usual = config.training, Training()
    if its.optimizer == "sgd" and its.optimizer_parameters:
        mistakes.add(("training", "optimizer_parameters"), '"sgd" reads learning_rate, momentum and the others; set those in [training]')
    for key in SGD_KEYS:
        if its.optimizer not in ("", "sgd") and getattr(its, key) != getattr(usual, key):
            problem = f'has no effect with optimizer = "{its.optimizer}"; write it in optimizer_parameters if it has such a parameter'
            mistakes.add(("training", key), problem)


def check_noise(config: Config, mistakes: Mistakes) -> None:
    """Noise hides a sample whose part in a step is bounded, and depends on no other sample."""
    its = config.training
    if its.noise and not its.clip:
        problem = "is in units of the longest gradient of a sample; give that with clip, 1.0 for instance"
        mistakes.add(("training", "noise"), problem)
    if its.noise and its.balance:
        problem = "weighs a sample by the others of its batch, so that noise would not hide it; remove it, or noise"
        mistakes.add(("training", "balance"), problem)


def check_init(config: Config, mistakes: Mistakes) -> None:
    """Weights come from a file that holds some."""
    if config.training.init == "file" and not config.training.model.endswith(".keras"):
        problem = (
            f'"file" takes the weights of a saved model, and model = "{config.training.model}" is none; give a .keras file, or "shared"'
        )
        mistakes.add(("training", "init"), problem)


def check_peers(config: Config, mistakes: Mistakes) -> None:
    """No accuracy is both good enough for another receiver and bad enough for one fewer."""
    low, high = config.sim.peer_low, config.sim.peer_high
    if low >= high:
        key = "peer_high" if low == Sim().peer_low else "peer_low"
        mistakes.add(("sim", key), f"peer_low = {low:g} is not below peer_high = {high:g}; give peer_low a smaller number than peer_high")


def check_both_ways(config: Config, mistakes: Mistakes) -> None:
    """Receipts and confirmations travel back over the link that brought the model, so that a deployed network has no one-way links."""
    if config.arrows:
        one, other = config.arrows[0]
        item = list(config.network.links).index(f"{one}->{other}")
        problem = f'"{one}->{other}" leads one way, but receipts must come back; write "{one}--{other}", or use dfl-actors sim'
        mistakes.add(("network", "links"), problem, item)


def check_keys(config: Config, mistakes: Mistakes) -> None:
    """No two nodes are the same one."""
    owner: dict[str, str] = {}
    for node in config.nodes:
        if node.public_key and (other := owner.setdefault(node.public_key, node.name)) != node.name:
            mistakes.add(("node", node.name, "public_key"), f'is also that of node "{other}"; every node has its own key')


def check_inlets(config: Config, mistakes: Mistakes) -> None:
    """Samples from other hosts come in where nobody else listens."""
    taken = {f"{host}:{port + more}" for node in config.nodes if node.listen for host, port in [host_port(node.listen)] for more in (0, 1)}
    for node in config.nodes:
        if node.inlet is None:
            if node.feeders:
                mistakes.add(("node", node.name, "feeders"), "nobody can feed it; give inlet, where samples come in, or remove this")
        elif problem := listen_problem(node.inlet):
            mistakes.add(("node", node.name, "inlet"), problem)
        elif (place := ":".join(map(str, host_port(node.inlet)))) in taken:
            mistakes.add(("node", node.name, "inlet"), f"{place} is taken; give a port of its own")
        else:
            taken.add(place)


Checks = Mapping[Callable[[Config, Mistakes], None], tuple[str, ...]]

CHECKS: Checks = {
    check_roles: ("network.nodes", "node.role"),
    check_attacks: ("network.nodes", "node.role", "node.attack"),
    check_label_weights: ("network.nodes", "data.partition", "node.label_weights"),
    check_own_data: ("network.nodes", "data.partition", "node.source", "sim.ensemble"),
    check_receipts: ("network.nodes", "network.links", "gossip.ttl", "block.receipts"),
    check_draft: ("network.nodes", "network.links", "gossip.ttl", "block.transactions"),
    check_abandon: ("block.deadline_s", "block.abandon_s"),
    check_store: ("network.nodes", "store.models", "update.buffer", "node.buffer"),
    check_peers: ("sim.peer_low", "sim.peer_high"),
    check_optimizer: ("training.optimizer", "training.optimizer_parameters", *(f"training.{key}" for key in SGD_KEYS)),
    check_noise: ("training.noise", "training.clip", "training.balance"),
    check_init: ("training.model", "training.init"),
    check_target: ("run.target", "run.evaluate_s"),
    check_keys: ("network.nodes", "node.public_key"),
    check_inlets: ("network.nodes", "node.listen", "node.inlet", "node.feeders"),
}
"""Each check with the keys it reads: it is passed over when one of them is wrong already, as it would blame another."""

DEPLOYED: Checks = {check_both_ways: ("network.nodes", "network.links")}
"""Checks of what only the simulator can have, for a network of processes alone."""
