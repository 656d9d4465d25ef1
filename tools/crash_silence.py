"""A node that is silent for 12 s, and how long it takes until models pass again, both ways on each of its links."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable

from crash_stage import Net
from hostile_stage import wall

from dfl_actors.runtime.rundir import RunDirectory, read_about

SILENT = 12.0


def healed(net: Net, rng: random.Random, *, cut: bool) -> float:
    """Seconds from the end of the silence of a node. `cut`: by a firewall, so that both sides live on and hear nothing."""
    name = rng.choice(net.names)
    if cut and net.namespace:
        cut_off(net)
    else:
        stopped(net, name)
    since, passed = time.monotonic(), wall()
    wanted = {way for link in net.links for way in ways(link) if cut or name in way}
    net.until(lambda: wanted <= fetched(net, passed), f"models both ways on the links of node {name} after the silence")
    return time.monotonic() - since


def ways(link: str) -> Iterable[tuple[str, str]]:
    """From whom to whom models pass over a link."""
    one, other = link.split("--")
    return (one, other), (other, one)


def fetched(net: Net, since: int) -> set[tuple[str, str]]:
    """Which ways models have gone that were made since."""
    names = {address: name for name, address in read_about(RunDirectory(net.out)).nodes.items()}
    new = {event["tx"] for event in net.events("trained", since)}
    return {(names[event["from"]], event["node"]) for event in net.events("fetched", since) if event["tx"] in new}


def stopped(net: Net, name: str) -> None:
    """Its gossiper gets no time."""
    pid = net.last(f"{name}/gossiper").pid
    os.kill(pid, signal.SIGSTOP)
    time.sleep(SILENT)
    os.kill(pid, signal.SIGCONT)


def cut_off(net: Net) -> None:
    """What any node sends to another is thrown away: all live on, and hear nothing."""
    inside(net.namespace, "iptables", "-A", "INPUT", "-p", "tcp", "-j", "DROP")
    time.sleep(SILENT)
    inside(net.namespace, "iptables", "-F", "INPUT")


# --- a network of one's own, where this machine allows it


def namespace() -> str:
    """A new one, with a loopback and a firewall of its own; empty where there can be none."""
    name = f"dfl-crash-{os.getpid()}"
    if not shutil.which("ip") or not shutil.which("iptables"):
        return ""
    try:
        subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
        inside(name, "ip", "link", "set", "lo", "up")
        inside(name, "iptables", "-L", "INPUT")
    except subprocess.CalledProcessError:
        remove(name)
        return ""
    return name


def inside(name: str, *command: str) -> None:
    subprocess.run(["ip", "netns", "exec", name, *command], check=True, capture_output=True)


def remove(name: str) -> None:
    if name:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
