"""What a watcher is shown, from what the actors have reported."""

from collections.abc import Mapping

from dfl_actors.core.objects import Address
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.status import NodeStatus


def of_node(plan: NodePlan, own: Mapping[str, Child], state: str, test_accuracy: float | None, names: Mapping[Address, str]) -> NodeStatus:
    """A node's row; `own` are its actors, `state` that of the run."""
    trainer = own["trainer"].tally()
    keeper = own["keeper"].status
    if state == "starting":
        state = f"{sum(child.ready for child in own.values())} of {len(own)} ready"
    elif not all(child.ready for child in own.values()):
        state = "restarting"
    return NodeStatus(
        name=plan.node.name,
        role=plan.node.role,
        state=state,
        samples=int(trainer.get("samples", 0)),
        steps=int(trainer.get("steps", 0)),
        sent=int(trainer.get("sent", 0)),
        received=int(own["validator"].tally().get("received", 0)),
        receipts=int(own["builder"].tally().get("receipts", 0)),
        height=int(own["builder"].tally().get("height", 0)),
        test_accuracy=test_accuracy,
        own_accuracy=trainer.get("own_accuracy"),
        reputations={} if keeper is None else {names.get(who, who[:8]): value for who, value in keeper.reputations.items()},
        restarts=sum(child.incarnation for child in own.values()),
    )
