"""Who is answered, and what a page may do."""

import socket
from pathlib import Path

import pytest

from dfl_actors.errors import ConfigError, TransportError
from dfl_actors.watch.command import address_of, check_host, keys_of, listening
from dfl_actors.watch.guard import host_in, is_ours, names_of
from tests.report.made_run import ready, write_run
from tests.watch.serving import served


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:8765", "10.1.2.3:80"])
def test_addresses_and_localhost_are_ours(host: str) -> None:
    assert is_ours(host, names_of("127.0.0.1"))


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example", "[evil]:1"])
def test_other_names_are_not(host: str) -> None:
    assert not is_ours(host, names_of("127.0.0.1"))


def test_a_name_that_was_given_is_ours() -> None:
    assert is_ours("lab.example:80", names_of("lab.example")) and host_in("Lab.example.:80") == "lab.example"


def test_a_server_only_reads_and_answers_its_own_name_alone(tmp_path: Path) -> None:
    with served(write_run(tmp_path / "net", ["a"], [ready()])) as server:
        assert server.get().status == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert server.get(method=method).status == 405
        refused = server.get(Host="evil.example")
        assert refused.status == 421 and b"net" not in refused.body
        for answer in (server.get(), refused, server.get("/assets/page.js")):
            assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
            assert "unsafe-inline" not in answer.headers["content-security-policy"].split(";")[1]
            assert answer.headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/events", "/update", "/metrics", "/node/a", "/events/node/a", "/assets/page.css", "/nothing"])
def test_head_is_answered_as_get_without_a_body(tmp_path: Path, path: str) -> None:
    """Also of a stream, which has no end."""
    with served(write_run(tmp_path / "net", ["a"], [ready()])) as server:
        answer = server.get(path, method="HEAD")
        assert answer.status == (404 if path == "/nothing" else 200) and answer.body == b""
        if "events" not in path:
            assert answer.headers["content-type"] == server.get(path).headers["content-type"]


@pytest.mark.parametrize(
    "path",
    ["/run.json", "/nodes/a/key", "/../run.json", "/assets/../run.json", "/assets/..%2f..%2frun.json", "//etc/passwd", "/nodes/a/log/x"],
)
def test_no_path_leads_to_a_file(tmp_path: Path, path: str) -> None:
    run = write_run(tmp_path / "net", ["a"], [ready()])
    (run / "nodes" / "a").mkdir(parents=True)
    (run / "nodes" / "a" / "key").write_text("secret")
    with served(run) as server:
        answer = server.get(path)
        assert answer.status == 404 and b"secret" not in answer.body


def test_a_port_in_use_is_one_line_with_its_exit_code() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TransportError, match=r"^port \d+ of 127.0.0.1 cannot be listened at .*--port") as error:
            listening("127.0.0.1", taken.getsockname()[1])
    assert error.value.exit_code == 7 and "\n" not in str(error.value)


def test_beyond_this_machine_only_when_that_is_said() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.9.1"):
        check_host(host, insecure=False)
    for host in ("0.0.0.0", "::", "10.0.0.1", "lab.example"):
        with pytest.raises(ConfigError, match="--insecure"):
            check_host(host, insecure=False)
        check_host(host, insecure=True)


def test_addresses_and_keys(tmp_path: Path) -> None:
    made = listening("127.0.0.1", 0)
    assert address_of("127.0.0.1", made) == f"http://127.0.0.1:{made.getsockname()[1]}/"
    assert address_of("::1", made).startswith("http://[::1]:")
    made.close()
    assert keys_of([tmp_path / "a b", tmp_path / "x" / "net", tmp_path / "y" / "net"]) == ["a_b", "x-net", "y-net"]
    assert keys_of([tmp_path / "a b", tmp_path / "x" / "net", tmp_path / "x" / "net"]) == ["a_b", "x-net-2", "x-net-3"]
