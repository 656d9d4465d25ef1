"""`--expression`: what it shows, and where it says that something is wrong."""

import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.report.tail.expression import Expression
from dfl_actors.runtime.header import Record
from tests.report.tail.records import TX, record

SENT = record("news", "TransactionNews", node="ben", actor="gossiper", to=("*",), size=2_500, tx=TX, correct=90, tested=100)
LATE = record("refused", "transaction", node="amy", actor="validator", code="too_late", detail="3 s and (more)", sender="ben")
CHUNK = record("reply", "Chunk", node="ben", actor="gossiper", to=("amy", "dan"), size=262_200, index=6, count=7, dropped=True)
ALL = {"sent": SENT, "late": LATE, "chunk": CHUNK}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("type=Transaction* and node=ben and size>1000", "sent"),
        ("node=ben", "sent chunk"),
        ("node!=ben", "late"),
        ("NOT node=ben OR size>=262200", "late chunk"),
        ("not (node=ben or node=amy)", ""),
        ("not node=ben and size<1", "late"),
        ("node=amy or node=ben and size>1MB", "late"),
        ("(node=amy or node=ben) and size>2.5kB", "chunk"),
        ("size=2500", "sent"),
        ("size!=2500", "late chunk"),
        ("size<=2.5kb", "sent late"),
        ("to=dan", "chunk"),
        ("to!=dan", "sent late"),
        (f"tx={TX[:6].upper()}", "sent"),
        ("tx=ab*ab", "sent"),
        ("accuracy>89% and accuracy<0.91", "sent"),
        ("accuracy!=0.5", "sent late chunk"),
        ("index>5", "chunk"),
        ("dropped=yes", "chunk"),
        ("dropped!=true", "sent late"),
        ('detail="3 s and (more)"', "late"),
        ("detail='*more*' and kind==refused", "late"),
        ("code=too_*", "late"),
        ("kind=re[fp]*", "late chunk"),
        ('code=""', "sent chunk"),
        ("not not not node=ben", "late"),
    ],
)
def test_it_shows_what_it_says(text: str, shown: str) -> None:
    wanted = Expression(text)
    assert " ".join(name for name, one in ALL.items() if wanted(one)) == shown


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "character 1, at its end: it is empty; for instance type="),
        ("siez>1000", 'character 1, at "siez>1000": there is no field siez; did you mean "size"?'),
        ("node=ben and", "character 13, at its end: a field was expected"),
        ("node=ben size>1", 'character 10, at "size>1": "and", "or" or the end was expected'),
        ("(node=ben", 'character 10, at its end: ")" was expected'),
        ("node=ben)", 'character 9, at ")": "and", "or" or the end was expected'),
        ("node", "character 5, at its end: one of = != < > <= >= was expected behind node"),
        ("node ben", 'character 6, at "ben": one of = != < > <= >= was expected behind node'),
        ("node=", "character 6, at its end: a value was expected"),
        ("size>and", 'character 6, at "and": a value was expected'),
        ("size>many", 'character 6, at "many": size is a number, for instance 1000, 1kB or 2MB'),
        ("ttl>1kB", 'character 5, at "1kB": ttl is a number, for instance 3'),
        ("accuracy>high", 'character 10, at "high": accuracy is a number, for instance 0.9 or 90%'),
        ("accuracy>90", 'character 10, at "90": accuracy is 1 at most: 90% is 0.9'),
        ("tx=ben", 'character 4, at "ben": tx is a digest, of which hexadecimal digits are given, for instance 3f9a01'),
        ("txs!=3f9z", "txs is a digest"),
        ("node>ben", 'character 5, at ">ben": node is no number: compare it with = or !='),
        ('detail="late', 'character 8, at ""late": a quotation mark has no other'),
        ("node=ben & size>1", 'character 10, at "& size>1": "and", "or" or the end was expected'),
        ("! node=ben", 'character 1, at "! node=ben": this means nothing here'),
        ("dropped=maybe", 'character 9, at "maybe": dropped is yes or no'),
        ("=ben", 'character 1, at "=ben": a field was expected'),
        ("type=Draft", 'character 6, at "Draft": no type is called so; did you mean "Drafted"?'),
        ("kind=lettter", 'character 6, at "lettter": no kind is called so; did you mean "letter"?'),
        ("(" * 60, "too many parentheses in each other"),
        ("not " * 60 + "node=ben", "too many parentheses in each other"),
    ],
)
def test_a_mistake_is_one_line_that_points_at_its_place(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Expression(text, {"type": ("Drafted", "Trained"), "kind": ("letter", "news")})
    assert error in str(raised.value) and "\n" not in str(raised.value) and str(raised.value).startswith("--expression, ")


def test_a_long_chain_needs_no_deep_stack() -> None:
    wanted = Expression(" or ".join(f"size={size}" for size in range(2000)))
    assert wanted(record(size=1999)) and not wanted(record(size=2000))


def test_a_record_of_a_stranger_cannot_break_a_pattern() -> None:
    evil = Record(t=1, node="[a", actor="x", n=1, kind="refused", type="*", detail="\n" * 100)
    assert Expression("node=[[]a and type=[*]")(evil) and not Expression("detail=x*")(evil)
