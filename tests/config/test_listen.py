"""Where nodes listen: their own addresses, ports counted from one, and who gets in whose way."""

import pytest

from dfl_actors.config.listen import ListenError, host_port, is_loopback, listening


def test_the_system_chooses_where_nothing_is_said() -> None:
    assert listening(("a", "b"), {}, "127.0.0.1", 0) == {"a": None, "b": None}


def test_each_node_takes_two_ports() -> None:
    assert listening(("a", "b"), {}, "10.0.0.1", 7000) == {"a": "tcp://10.0.0.1:7000", "b": "tcp://10.0.0.1:7002"}


def test_a_nodes_own_address_goes_first() -> None:
    own = {"a": "tcp://[::1]:9000"}
    assert listening(("a", "b"), own, "10.0.0.1", 7000) == {"a": "tcp://[::1]:9000", "b": "tcp://10.0.0.1:7002"}
    assert host_port("tcp://[::1]:9000") == ("[::1]", 9000)


def test_the_last_port_may_be_used() -> None:
    assert listening(("a", "b"), {}, "localhost", 65532)["b"] == "tcp://localhost:65534"


@pytest.mark.parametrize(
    ("own", "host", "port", "key", "problem"),
    [
        ({}, "127.0.0.1", 65533, "transport.port", "2 nodes need 4 ports from 65533 up; give at most 65532"),
        ({}, "0.0.0.0", 0, "transport.host", "names no host"),
        ({}, "no host", 0, "transport.host", "is no address"),
        ({"b": "udp://x:1"}, "127.0.0.1", 0, "node.b.listen", "is no address; write tcp://host:port"),
        ({"b": "tcp://*:7000"}, "127.0.0.1", 0, "node.b.listen", "names no host"),
        ({"b": "tcp://x:65535"}, "127.0.0.1", 0, "node.b.listen", "no room for two ports"),
        ({"b": "tcp://x:0"}, "127.0.0.1", 0, "node.b.listen", "no room for two ports"),
        ({"a": "tcp://x:70", "b": "tcp://x:70"}, "127.0.0.1", 0, "node.b.listen", 'x:70 is taken by node "a"'),
        ({"a": "tcp://x:70", "b": "tcp://x:71"}, "127.0.0.1", 0, "node.b.listen", 'x:71 is taken by node "a"'),
        ({"a": "tcp://127.0.0.1:7003"}, "127.0.0.1", 7000, "node.a.listen", '127.0.0.1:7003 is taken by node "b"'),
    ],
)
def test_addresses_that_are_refused(own: dict[str, str], host: str, port: int, key: str, problem: str) -> None:
    with pytest.raises(ListenError) as raised:
        listening(("a", "b"), own, host, port)
    assert ".".join(raised.value.key) == key
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("[::1]", True), ("localhost", True), ("10.0.0.1", False), ("lab.example", False)],
)
def test_what_only_this_machine_can_reach(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
