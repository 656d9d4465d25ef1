"""The supervisor's children: when they have been ended, they do nothing any more."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from dfl_actors.processes.forkserver import fork_server
from dfl_actors.runtime.children import Child, Children
from dfl_actors.runtime.plan import NodePlan
from tests.processes import work


def test_what_was_ended_writes_nothing_any_more(tmp_path: Path) -> None:
    plan = cast("NodePlan", SimpleNamespace(node=SimpleNamespace(name="a"), directory=tmp_path))
    never_started, several = Child(plan, "keeper"), [Child(plan, "trainer") for _ in range(6)]
    with fork_server(["tests.processes.work"]) as server:
        for child in several:
            child.process = server.start("write", work.write, tmp_path)
            assert child.process.channel.next() == b"begun"
        Children(server).end([*several, never_started])
        assert all(child.process is not None and child.process.channel.ended for child in several)
        before = set(tmp_path.iterdir())
        assert server.start("echo", work.echo).channel.wait(0.2) is False
        assert set(tmp_path.iterdir()) == before
