"""Whether a node may begin with the directory that it has, seeing what neighbours hold of its key; a table of rows in the tests."""

from dfl_actors.core.control import Holdings
from dfl_actors.errors import ChainError

RESTORE = "restore its newer directory"


def lacking_text(held: Holdings, sent: int, drafted: int) -> str:
    """What neighbours hold that a directory with so many transactions and drafts lacks; empty when it lacks nothing."""
    transactions, blocks = held.sequence + 1 - sent, held.height + 1 - drafted
    parts = [_counted(transactions, "transaction"), _counted(blocks, "block")]
    lacks = " and ".join(part for part in parts if part)
    return f"neighbours hold {lacks} of this key that this directory lacks" if lacks else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number > 0 else ""


def check_adoption(node: str, held: Holdings, sent: int, drafted: int, adopt: bool) -> str:
    """What is to be told of a node that begins behind what neighbours hold; empty when it has all of it. Raises `ChainError` for one that
    must not begin."""
    lacks = lacking_text(held, sent, drafted)
    if not lacks:
        return ""
    if not adopt:
        raise ChainError(f"node {node}: {lacks}: {RESTORE}, or go on behind them with --adopt (what was lost stays lost)")
    if drafted and held.height >= drafted:
        raise ChainError(
            f"node {node}: {lacks}, and it holds an older chain, which cannot go on behind a gap:"
            f" {RESTORE}, or begin with an empty --out and --adopt"
        )
    return f"{lacks}: node {node} goes on behind them"
