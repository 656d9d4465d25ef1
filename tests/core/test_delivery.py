"""The order in which a driver performs what its actor wants, as a table; and what holds of any order of handling, and of any crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.delivery import ACKNOWLEDGE_WITHIN, Acknowledge, Acknowledgement, Deliver, Delivery, Step, WriteJournal
from dfl_actors.core.effects import Commit, Effect, Journal, Keep, Note, Publish, Tell, Touch
from dfl_actors.core.events import Announced as AnnouncedEvent
from dfl_actors.core.messages import Injected, Pull

KEEP, TOUCH, COMMIT = Keep("k", b"model"), Touch("t"), Commit(0, b"block")
WRITE, ERASE = Journal(b"a", b"1"), Journal(b"a", None)
TELL, PUBLISH, NOTE = Tell(Pull(samples=1)), Publish(Injected(samples=(1,))), Note(AnnouncedEvent(tx="ab"))
LETTER, NEXT, OTHER = (b"trainer", b"1"), (b"trainer", b"2"), (b"builder", b"1")
DELIVER = Deliver()


def written(*writes: Journal) -> WriteJournal:
    return WriteJournal(tuple((one.key, one.value) for one in writes))


@pytest.mark.parametrize(
    ("effects", "steps"),
    [
        ((), []),
        ((TELL,), [TELL]),
        ((TELL, KEEP), [KEEP, TELL]),
        ((TOUCH, KEEP, TOUCH), [TOUCH, KEEP, TOUCH]),
        ((COMMIT, KEEP), [KEEP, COMMIT]),
        ((TELL, WRITE), [written(WRITE), TELL]),
        ((WRITE, COMMIT, PUBLISH), [COMMIT, written(WRITE), PUBLISH]),
        ((WRITE, TELL, ERASE, PUBLISH), [written(WRITE, ERASE), TELL, PUBLISH]),
        ((PUBLISH, TELL, PUBLISH), [PUBLISH, TELL, PUBLISH]),
        ((NOTE, PUBLISH, NOTE), [PUBLISH, NOTE, NOTE]),
        ((NOTE, TELL, WRITE, COMMIT, TOUCH, KEEP), [TOUCH, KEEP, COMMIT, written(WRITE), TELL, NOTE]),
        ((WRITE,), []),
        ((WRITE, NOTE), [NOTE]),
        ((WRITE, KEEP, COMMIT), [KEEP, COMMIT]),
    ],
    ids=[
        "nothing",
        "speech",
        "models before speech",
        "models as they were wanted",
        "models before blocks",
        "the journal before speech",
        "blocks before the journal",
        "one commit",
        "speech as it was wanted",
        "metrics after speech",
        "everything",
        "a journal alone waits",
        "metrics do not speak",
        "nor do stores",
    ],
)
def test_the_order_of_a_batch(effects: tuple[Effect, ...], steps: list[Step]) -> None:
    delivery = Delivery()
    delivery.handled(effects)
    assert delivery.steps(0) == [*steps, DELIVER]


W = ACKNOWLEDGE_WITHIN
Row = tuple[int, tuple[Effect, ...], tuple[Acknowledgement, ...], list[Step]]


@pytest.mark.parametrize(
    "rows",
    [
        [(0, (TELL,), (LETTER,), [TELL, DELIVER]), (W - 1, (), (), [DELIVER]), (W, (), (), [DELIVER, Acknowledge((LETTER,))])],
        [(0, (), (LETTER,), [DELIVER]), (W - 1, (), (NEXT, OTHER), [DELIVER]), (W, (), (), [DELIVER, Acknowledge((LETTER, NEXT, OTHER))])],
        [(0, (WRITE,), (LETTER,), [DELIVER]), (W, (), (), [DELIVER, written(WRITE), Acknowledge((LETTER,))]), (9 * W, (), (), [DELIVER])],
        [(0, (WRITE,), (), [DELIVER]), (9, (ERASE, TELL), (), [written(WRITE, ERASE), TELL, DELIVER]), (W, (), (), [DELIVER])],
        [(0, (WRITE,), (), [DELIVER]), (W, (), (), [DELIVER, written(WRITE)])],
        [(0, (WRITE,), (LETTER,), [DELIVER]), (W, (TELL,), (NEXT,), [written(WRITE), TELL, DELIVER, Acknowledge((LETTER, NEXT))])],
    ],
    ids=["after the wait", "many with one word", "written before", "with what speaks", "written without any letter", "all at once"],
)
def test_acknowledgements_and_what_waits_for_them(rows: list[Row]) -> None:
    delivery = Delivery()
    for now, effects, letters, steps in rows:
        for letter in letters:
            delivery.owes(letter)
        delivery.handled(effects)
        assert delivery.steps(now) == steps, f"at {now}"


def test_it_is_asked_again_when_acknowledgements_are_due_and_not_without_any() -> None:
    delivery = Delivery()
    delivery.steps(5)
    assert delivery.wake is None
    delivery.owes(LETTER)
    delivery.steps(10)
    assert delivery.wake == 10 + W
    delivery.steps(10 + W)
    assert delivery.wake is None
    delivery.handled([WRITE])
    delivery.steps(1_000)
    assert delivery.wake == 1_000 + W
    delivery.handled([TELL])
    delivery.steps(1_001)
    assert delivery.wake is None, "the journal was written before the speech"


def test_once_the_end_is_announced_nothing_waits() -> None:
    delivery = Delivery()
    delivery.owes(LETTER)
    delivery.steps(0)
    delivery.hurry()
    assert delivery.steps(1) == [DELIVER, Acknowledge((LETTER,))]
    delivery.owes(NEXT)
    assert delivery.steps(2) == [DELIVER, Acknowledge((NEXT,))]


def test_the_last_steps_leave_nothing() -> None:
    delivery = Delivery()
    delivery.handled([WRITE])
    delivery.owes(LETTER)
    assert delivery.steps(0, last=True) == [DELIVER, written(WRITE), Acknowledge((LETTER,))]


EFFECTS = st.sampled_from([KEEP, TOUCH, COMMIT, WRITE, ERASE, TELL, PUBLISH, NOTE])
BATCHES = st.lists(st.tuples(st.integers(0, 200), st.lists(EFFECTS, max_size=6), st.booleans()), max_size=12)


@given(BATCHES, st.integers(0, 60))
def test_wherever_it_falls_nothing_is_said_unwritten_and_nothing_acknowledged_undone(
    batches: list[tuple[int, list[Effect], bool]], fall: int
) -> None:
    """The steps performed before a crash: of a batch that was acknowledged all is among them, of one that spoke its journal and stores."""
    delivery, now, done, wanted = Delivery(), 0, list[Step](), list[tuple[list[Effect], Acknowledgement]]()
    for number, (passed, effects, letter) in enumerate(batches):
        now += passed
        # Each effect is told from those of other batches by being its own object.
        mine = [type(one)(*(getattr(one, name) for name in one.__struct_fields__)) for one in effects]
        mine = [Journal(b"%d/%d" % (number, i), b"") if isinstance(one, Journal) else one for i, one in enumerate(mine)]
        owed = (b"trainer", b"%d" % number)
        wanted.append((mine, owed))
        if letter:
            delivery.owes(owed)
        delivery.handled(mine)
        done += delivery.steps(now)
    done = done[:fall]
    written_keys = {key for step in done if isinstance(step, WriteJournal) for key, _ in step.writes}
    acknowledged = {letter for step in done if isinstance(step, Acknowledge) for letter in step.letters}

    def performed(effect: Effect) -> bool:
        return effect.key in written_keys if isinstance(effect, Journal) else any(step is effect for step in done)

    for mine, owed in wanted:
        stores = [one for one in mine if isinstance(one, Keep | Touch | Commit | Journal)]
        if any(performed(one) for one in mine if isinstance(one, Tell | Publish)):
            assert all(map(performed, stores))
        if owed in acknowledged:
            assert all(map(performed, mine))
