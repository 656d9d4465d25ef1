"""Where a node listens: `tcp://host:port` for its announcements, and the port after it for its mailbox."""

import ipaddress
import re
from collections.abc import Mapping, Sequence

LISTEN = re.compile(r"tcp://([A-Za-z0-9._-]+|\*|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
PORTS = 2  # a node takes: announcements, mailbox
LAST_PORT = 65535
EVERYWHERE = ("0.0.0.0", "[::]", "*")


class ListenError(ValueError):
    """An address breaks a rule. The text is `what is wrong; remedy`, `key` the path of the setting that is to blame."""

    def __init__(self, key: tuple[str, ...], problem: str) -> None:
        super().__init__(problem)
        self.key = key


def listening(names: Sequence[str], own: Mapping[str, str], host: str, port: int) -> dict[str, str | None]:
    """Where each node listens: its own address, else its two ports counted from `port`; None where the system chooses (port 0).

    Raises ListenError for an address nobody can use, for ports beyond the last one, and for two nodes on one port.
    """
    if port and any(name not in own for name in names) and port + PORTS * len(names) - 1 > LAST_PORT:
        many = PORTS * len(names)
        raise ListenError(
            ("transport", "port"), f"{len(names)} nodes need {many} ports from {port} up; give at most {LAST_PORT + 1 - many}, or 0"
        )
    addresses: dict[str, str] = {}
    for number, name in enumerate(names):
        if name in own or port:
            addresses[name] = own.get(name, f"tcp://{host}:{port + PORTS * number}")
        # Where the system chooses the port there is still a host to check; any valid port will do for that.
        if problem := listen_problem(addresses.get(name, f"tcp://{host}:{LAST_PORT - 1}")):
            raise ListenError(("node", name, "listen") if name in own else ("transport", "host"), problem)
    if found := clash(addresses):
        later, earlier, place = found
        key = ("node", later if later in own else earlier, "listen")
        raise ListenError(key, f'{place} is taken by node "{earlier if later in own else later}"; give every node {PORTS} ports of its own')
    return {name: addresses.get(name) for name in names}


def host_port(listen: str) -> tuple[str, int]:
    """The two halves of an address that `listen_problem` finds nothing wrong with."""
    host, _, port = listen.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def next_port(listen: str) -> str:
    """The address of a node's mailbox, beside that of its announcements."""
    host, _, port = listen.rpartition(":")
    return f"{host}:{int(port) + 1}"


def listen_problem(listen: str) -> str | None:
    """`what is wrong; remedy` with an address, or None."""
    if not (match := LISTEN.fullmatch(listen)):
        return f'"{listen[:60]}" is no address; write tcp://host:port'
    if match[1] in EVERYWHERE:
        return f'"{listen}" names no host, but the neighbours connect to it; give the address they reach this node at'
    if not 1 <= int(match[2]) <= LAST_PORT - 1:
        return f'"{listen}" leaves no room for two ports; give a port from 1 to {LAST_PORT - 1}'
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def clash(addresses: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Two nodes that want the same port of a host: (later node, earlier node, `host:port`), or None."""
    taken: dict[tuple[str, int], str] = {}
    for name, listen in addresses.items():
        host, first = host_port(listen)
        for port in range(first, first + PORTS):
            if (other := taken.setdefault((host, port), name)) != name:
                return name, other, f"{host}:{port}"
    return None
