"""Who refused what of whom: every code has words, and nobody's fault does not look like one."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dfl_actors.errors import CODES
from dfl_actors.report.charts.chart import Matrix
from dfl_actors.report.charts.refused import refused
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.page.page import page
from dfl_actors.report.pictures import draw_chart
from dfl_actors.report.refusals import FAULTS, UNKNOWN_WORDS, WORDS, refusals, words_of
from dfl_actors.report.summary import render, summarise
from tests.report.made_run import START, Line, address, ready, write_run

CHAPTER = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8").partition("## 9. Refusals")[2]


LOST: dict[str, Line] = {"expired": {"tx": "t"}, "dropped": {"what": "TransactionNews", "messages": 4}, "lost": {"what": "model"}}


def line(node: str, by: str, code: str, count: int = 1, event: str = "refused") -> Line:
    return {"t": START + 9, "node": node, "actor": "", "event": event, "code": code, "by": by and address(by), "count": count}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    lines = [
        line("ben", "dan", "bad_signature", 3),
        line("ben", "amy", "busy", 36),
        line("amy", "ben", "other_draft"),
        line("amy", "", "stranger"),
    ]
    lines += [line("dan", "ben", "bad_signature", 3, "refused_by"), line("amy", "eve", "expired", 2, "refused_by")]
    lines += [{"t": START + 9, "node": "amy", "actor": "", "event": event, **more} for event, more in LOST.items()]
    config = {"eve": address("eve")}
    found = load_run(write_run(tmp_path / "net", ["amy", "ben", "dan"], [ready(), *lines]))
    found.elsewhere.update(config)
    return found


def test_every_code_of_the_protocol_has_words_and_a_verdict() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", CHAPTER.partition("### Verdicts")[0], re.MULTILINE))
    assert told == CODES == WORDS.keys()
    assert len(set(WORDS.values())) == len(WORDS) and all(len(words) <= 48 for words in WORDS.values())
    assert words_of("nonsense") == UNKNOWN_WORDS
    assert not FAULTS & {"other_draft", "busy", "model_gone", "expired", "fetch_timeout", "stranger"}


def test_what_one_node_says_of_another_counts_once_and_faults_come_first(run: Run) -> None:
    found = [(one.refuser, one.refused, one.code, one.count, one.fault) for one in refusals(run)]
    assert found == [
        ("ben", "dan", "bad_signature", 3, True),
        ("ben", "amy", "busy", 36, False),
        ("eve", "amy", "expired", 2, False),
        ("amy", "a stranger", "stranger", 1, False),
        ("amy", "ben", "other_draft", 1, False),
    ]


def test_the_matrix_shows_all_faults_and_each_reason(run: Run) -> None:
    chart = refused(run)
    figure = chart.figure
    assert isinstance(figure, Matrix) and figure.below is not None
    assert "3 refused as the sender's fault, 40 ignored as nobody's" in chart.about
    assert figure.labels == ["amy", "ben", "dan", "eve", "a stranger"] and figure.nodes == ["amy", "ben", "dan", None, None]
    frames = dict(zip(figure.choices, figure.frames, strict=True))
    assert list(frames)[-3:] == ["nobody's fault", "the sender's fault", "all"] and WORDS["busy"] in frames
    assert (frames["all"][1, 0], frames["all"][1, 2], frames["the sender's fault"][1, 2]) == (36, 3, 3)
    assert frames["the sender's fault"][1, 0] != frames["the sender's fault"][1, 0], "to be busy is no fault"
    assert "36 busy: no room or time" in figure.details[1][0] and "nobody's fault" in figure.details[1][0]
    names = [text.get_text() for text in draw_chart(run, chart).axes[1].get_yticklabels()]
    assert WORDS["busy"] in names and WORDS["bad_signature"] in names
    assert names[-3:] == [
        "own transactions that expired", "messages that could not leave their node", "models that were no longer in the store"
    ]  # fmt: skip
    assert figure.below.parts[-1].values[-3:] == [1, 4, 1]


def test_page_and_closing_summary_say_who_why_and_whose_fault(run: Run) -> None:
    text, summary = page(run), summarise(run)
    cells = re.findall(r">([^<]*)</t[dh]>", text.partition('id="lost"')[2].partition("</section>")[0])
    assert cells[:6] == ["node", "refused", "ignored", "expired", "messages dropped", "models gone"]
    assert cells[6:] == ["amy", "", "2", "1", "4", "1", "ben", "3", "36", "", "", ""], "nothing was refused by dan"
    assert "3 refused as the sender&#x27;s fault, 40 ignored as nobody&#x27;s" in text and WORDS["bad_signature"] in text
    rows = {
        120: (r"ben +dan +3 +sender's +its signature is not that of its key +bad_signature", r"ben +amy +36 +nobody's +no room.* busy"),
        80: (r"ben +dan +3 +sender's +its signature is not that of its key", r"ben +amy +36 +nobody's +no room or time for it then"),
        60: (r"ben +dan +3 +sender's +bad_signature", r"ben +amy +36 +nobody's +busy"),
    }
    for width, (fault, ignored) in rows.items():
        console = Console(width=width, record=True, file=StringIO())
        render(summary, console)
        shown = console.export_text()
        assert re.search(fault, shown) and re.search(ignored, shown), (width, shown)


def test_what_is_nobodys_fault_is_no_trouble(tmp_path: Path) -> None:
    made = load_run(write_run(tmp_path / "net", ["amy", "ben"], [ready(), line("amy", "ben", "busy", 40)]))
    text = page(made)
    assert '<dt>trouble</dt><dd class="value">none</dd><dd class="more">40 ignored as nobody&#x27;s</dd>' in text
    quiet = refused(load_run(write_run(tmp_path / "quiet", ["amy", "ben"], [ready()])))
    assert (quiet.figure, quiet.missing) == (None, "Nobody refused anything of anybody.")
