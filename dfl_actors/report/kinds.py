"""What a node is, in words, on every screen: normal, an observer, or an attacker by its attack. `roles` says what that looks like."""

from collections.abc import Sequence
from pathlib import PurePath

NORMAL, OBSERVER = "normal", "observer"


def attack_text(attack: str) -> str:
    """An attack as a person knows it: of one in a file of one's own, that file without its folders.

    >>> attack_text("/home/ada/net/mine.py:lie"), attack_text("sign_flip")
    ('mine.py:lie', 'sign_flip')
    """
    file, colon, name = attack.rpartition(":")
    return f"{PurePath(file).name}:{name}" if colon else attack


def kind_text(role: str, attack: str | None) -> str:
    """What a node is, in a table: the attack of an attacker, else its role."""
    return attack_text(attack) if attack else role


def kinds_told(kinds: Sequence[str]) -> bool:
    """Whether a table must say what its nodes are: some are not normal."""
    return any(kind != NORMAL for kind in kinds)
