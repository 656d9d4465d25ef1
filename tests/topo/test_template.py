"""What a generated topology says beside its links: roles, partition, the command that made it; and how it is written."""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import SECTIONS
from dfl_actors.config.topology import node_names
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.sdk.attacks import ATTACKS
from dfl_actors.topo.generate import draw
from dfl_actors.topo.kinds import Request
from dfl_actors.topo.template import DEFAULT_ATTACK, assigned, generated_table, heading, hubs, partition_keys, role_keys
from dfl_actors.topo.write import REMARKS, save, topology_text

TEN = draw(Request(nodes=10, degree=2))


@pytest.mark.parametrize(
    ("role", "keys", "count"),
    [
        ("observer=2", {"role": "observer"}, 2),
        ("attacker=1", {"attack": "sign_flip"}, 1),
        ("attacker:random_model=3", {"attack": "random_model"}, 3),
        ("attacker:mine.py:build=1", {"attack": "mine.py:build"}, 1),
    ],
)
def test_a_role_is_what_its_nodes_say(role: str, keys: dict[str, str], count: int) -> None:
    assert role_keys(role) == (keys, count)


def test_an_attacker_that_names_no_attack_has_one_that_exists() -> None:
    assert DEFAULT_ATTACK in ATTACKS.names()


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("observer", "--role observer: how many nodes? write observer=COUNT"),
        ("observer=0", "--role observer=0: how many nodes?"),
        ("observer=-1", "how many nodes?"),
        ("observer=x", "how many nodes?"),
        ("spy=1", "--role spy=1: no such role; write observer=COUNT or attacker=COUNT or attacker:ATTACK=COUNT"),
        ("attacker:=1", "--role attacker:=1: no such role;"),
        ("observer:x=1", "no such role;"),
        ("attacker:sing_flip=1", '--role attacker:sing_flip=1: no such attack; did you mean "sign_flip"?'),
    ],
)
def test_a_role_that_is_none_is_refused(role: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        role_keys(role)
    assert words in str(raised.value)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_as_many_nodes_have_a_role_as_were_asked_for(observers: int, attackers: int, seed: int) -> None:
    roles = [f"observer={observers}"] * bool(observers) + [f"attacker={attackers}"] * bool(attackers)
    given_roles = assigned(TEN.names, roles, seed)
    assert Counter(map(str, given_roles.values())) == Counter(
        ["{'role': 'observer'}"] * observers + ["{'attack': 'sign_flip'}"] * attackers
    )
    assert list(given_roles) == sorted(given_roles)


def test_who_has_a_role_depends_on_the_seed_alone() -> None:
    chosen = [tuple(assigned(node_names(30), ["attacker=2"], seed)) for seed in range(30)]
    assert chosen == [tuple(assigned(node_names(30), ["attacker=2"], seed)) for seed in range(30)]
    assert len(set(chosen)) > 20


def test_a_role_on_hubs_goes_to_the_nodes_with_most_neighbours_and_of_as_many_by_name() -> None:
    star = draw(Request(kind="star", nodes=12))
    assert hubs(star) == [str(number) for number in range(12)], "2 before 10"
    wheel = star._replace(links=(*star.links, ("11", "9"), ("9", "10")))
    assert hubs(wheel)[:4] == ["0", "9", "10", "11"]
    given_roles = assigned(wheel.names, ["attacker=1", "attacker:mimic=2@hubs", "observer=1@hubs"], 3, hubs(wheel))
    assert {name: given_roles[name] for name in ("0", "9", "10")} == {
        "0": {"attack": "mimic"},
        "9": {"attack": "mimic"},
        "10": {"role": "observer"},
    }
    assert len(given_roles) == 4 and {"attack": "sign_flip"} in given_roles.values()
    plain = generated_table(wheel, ["attacker=2@hubs"], "iid")
    assert list(plain["node"]) == ["0", "9"] and "--role attacker=2@hubs" in "".join(heading(wheel, ["attacker=2@hubs"], "iid"))
    with pytest.raises(ConfigError, match="--role attacker=2@hub: how many nodes"):
        role_keys("attacker=2@hub")


def test_roles_leave_a_node_that_means_well() -> None:
    assert len(assigned(TEN.names, ["observer=4", "attacker=5"], 0)) == 9
    with pytest.raises(ConfigError, match="--role: 10 of 10 nodes have a role; leave one"):
        assigned(TEN.names, ["observer=4", "attacker=6"], 0)


@pytest.mark.parametrize(
    ("partition", "keys"),
    [
        ("iid", {"partition": "iid"}),
        ("samples", {"partition": "samples"}),
        ("dirichlet:0.1", {"partition": "dirichlet", "alpha": 0.1}),
        ("dirichlet", {"partition": "dirichlet", "alpha": 1.0}),
        ("labels:3", {"partition": "labels", "labels_per_node": 3}),
        ("labels", {"partition": "labels", "labels_per_node": 2}),
    ],
)
def test_a_partition_is_what_the_data_section_says(partition: str, keys: dict[str, Any]) -> None:
    assert partition_keys(partition) == keys


@pytest.mark.parametrize(
    "partition",
    ["", "weights", "iid:1", "dirichlet:", "dirichlet:x", "dirichlet:0", "dirichlet:nan", "labels:0", "labels:11", "labels:1.5"],
)
def test_a_partition_that_is_none_is_refused(partition: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--partition {re.escape(partition)}: .*; (write|give) "):
        partition_keys(partition)


# ---- the text


def text_of(request: Request, roles: list[str], partition: str = "iid") -> str:
    drawn = draw(request)
    return topology_text(generated_table(drawn, roles, partition), heading(drawn, roles, partition))


def test_the_text_is_the_table() -> None:
    table = generated_table(TEN, ["observer=1"], "dirichlet:0.1")
    assert tomllib.loads(topology_text(table, ["a", "b\nc\rd"])) == table


def test_the_heading_holds_the_command_that_makes_the_file_and_what_a_degree_is() -> None:
    text = text_of(Request(nodes=10, degree=2), ["attacker=1"], "dirichlet:0.1")
    assert "dfl-actors topo gen --kind connect --nodes 10 --degree 2 --seed 0 --role attacker=1 --partition dirichlet:0.1\n" in text
    assert "every node actively connects to 2 others" in text
    assert "about 4 neighbours" in text
    assert "about" not in text_of(Request(nodes=10, kind="ring"), [])


def test_a_node_has_a_row_of_links_and_every_line_is_short() -> None:
    lines = text_of(Request(nodes=40, degree=9), []).splitlines()
    rows = [line for line in lines if line.startswith('    "')]
    assert len(rows) == 40 and rows[3].startswith('    "3--')
    assert max(map(len, lines[4:])) <= 110


def test_names_that_are_no_numbers_are_listed(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("anna ben\nben cleo\n")
    config = parse_topology(text_of(Request(kind="edges", edges=tmp_path / "links"), []), where="made", name="made")
    assert [node.name for node in config.nodes] == ["anna", "ben", "cleo"]


def test_remarks_are_about_keys_that_exist() -> None:
    assert all(key in SECTIONS[section].__struct_fields__ for section, key in REMARKS)


# ---- saving


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"

    def fails(draft: Path) -> None:
        draft.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match=r"net.toml cannot be written \(No space left on device\)"):
        save(path, False, fails)
    assert list(tmp_path.iterdir()) == []
    save(path, False, lambda draft: draft.write_text("whole"))
    with pytest.raises(StoreError, match=r"net.toml is there already: replace it with --force"):
        save(path, False, lambda draft: draft.write_text("other"))
    assert path.read_text() == "whole"
    save(path, True, lambda draft: draft.write_text("other"))
    assert path.read_text() == "other" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is a directory"), (tmp_path / "no" / "net.toml", "is no directory")):
        with pytest.raises(StoreError, match=words):
            save(path, True, lambda draft: pytest.fail("written"))
