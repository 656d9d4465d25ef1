"""Addresses for the hosts of a deployment: network namespaces with a cable each to one switch and a firewall, where this machine allows
them, else loopback addresses."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


def inside(namespace: str) -> tuple[str, ...]:
    """What a command begins with that runs in a network namespace."""
    return ("ip", "netns", "exec", namespace) if namespace else ()


class Loopback:
    """All hosts are this one, each with an address of its own."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._numbers = {host: number for number, host in enumerate(hosts, start=2)}

    def address(self, host: str) -> str:
        return f"127.0.0.{self._numbers[host]}"

    def namespace(self, host: str) -> str:
        """The network that the host's commands are in, if it is not everybody's."""
        return ""

    def allow(self, host: str, peers: Sequence[str], ports: str) -> None:
        """Nobody but the peers, by their addresses, reaches the host, and they only these ports."""


class Namespaces(Loopback):
    """Each host has a network of its own: nothing is shared but the switch."""

    def __init__(self, hosts: Sequence[str]) -> None:
        super().__init__(hosts)
        self._name, self._made = f"dfl{os.getpid()}", list[str]()
        self._firewall = shutil.which("iptables")

    def make(self) -> bool:
        """Whether they could be made."""
        try:
            self._make()
        except (subprocess.CalledProcessError, OSError):
            self.remove()
            return False
        return True

    def _make(self) -> None:
        self._add("")
        self._run("", "ip", "link", "add", "switch", "type", "bridge")
        self._run("", "ip", "link", "set", "switch", "up")
        for host, number in self._numbers.items():
            self._add(host)
            port = f"port{number}"
            self._run(host, "ip", "link", "add", "cable", "type", "veth", "peer", "name", port, "netns", f"{self._name}-")
            self._run("", "ip", "link", "set", port, "master", "switch", "up")
            self._run(host, "ip", "address", "add", f"{self.address(host)}/24", "dev", "cable")
            for device in ("cable", "lo"):
                self._run(host, "ip", "link", "set", device, "up")

    def address(self, host: str) -> str:
        return f"10.77.0.{self._numbers[host]}"

    def namespace(self, host: str) -> str:
        return f"{self._name}-{host}"

    def allow(self, host: str, peers: Sequence[str], ports: str) -> None:
        if self._firewall is None:
            return
        rules = ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
        # What `ufw allow proto tcp from PEER to any port PORTS` makes of it.
        rules += [f"-A INPUT -p tcp -m multiport --dports {ports} -s {peer} -j ACCEPT" for peer in peers]
        self._run(host, self._firewall, "-F", "INPUT")
        for rule in rules:
            self._run(host, self._firewall, *rule.split())

    def remove(self) -> None:
        for name in self._made:
            with suppress(OSError):
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        self._made.clear()

    def _add(self, host: str) -> None:
        name = f"{self._name}-{host}"
        subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
        self._made.append(name)

    def _run(self, host: str, *command: str) -> None:
        subprocess.run([*inside(self.namespace(host)), *command], check=True, capture_output=True)


@contextmanager
def places(hosts: Sequence[str]) -> Iterator[Loopback]:
    """Namespaces for these hosts if this machine allows them, else loopback addresses."""
    made = Namespaces(hosts)
    if not shutil.which("ip") or not made.make():
        yield Loopback(hosts)
        return
    try:
        yield made
    finally:
        made.remove()
