"""The layers: what may import what. Read from the source, so that an import inside a function counts too."""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dfl_actors"
# From left to right; a module imports its own layer and those to its left. `runtime`, `sim` and `topo` share a place and do not meet.
LAYERS = (
    ("errors",),
    ("files",),
    ("core",),
    ("config",),
    ("learning",),
    ("sdk",),
    ("actors",),
    ("processes",),
    ("runtime", "sim", "topo"),
    ("report",),
    ("cli",),
)
PLACE = {layer: place for place, layers in enumerate(LAYERS) for layer in layers}
# What would make the core depend on when, where or how often it is called.
IMPURE = {"socket", "lmdb", "zmq", "tensorflow", "keras", "time", "random", "os", "logging"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from dfl_actors import x` names the module x; of a relative import only the start has to be worked out.
            start = ".".join(path.relative_to(ROOT).with_suffix("").parts[: -node.level]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_imports_only_from_the_left(path: Path) -> None:
    if layer(path) in ("__init__", "__main__"):
        return
    for imported in imports(path):
        if imported.startswith("dfl_actors."):
            other = imported.split(".")[1]
            if other in PLACE:
                same = other == layer(path)
                assert same or PLACE[other] < PLACE[layer(path)], f"{name(path)} imports {imported}"
            else:
                assert other.startswith("__"), f"{name(path)} imports {imported}, which is in no layer"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_keras_is_imported_in_one_place(path: Path) -> None:
    if path != PACKAGE / "learning" / "framework.py":
        assert not {"keras", "tensorflow"} & {imported.split(".")[0] for imported in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_imports_tools_or_tests(path: Path) -> None:
    assert not {"tools", "tests"} & {imported.split(".")[0] for imported in imports(path)}


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=name)
def test_the_core_is_pure(path: Path) -> None:
    assert not IMPURE & {imported.split(".")[0] for imported in imports(path)}


def test_every_module_is_in_a_layer() -> None:
    assert {layer(path) for path in MODULES} <= {*PLACE, "__init__", "__main__"}


def test_every_package_is_installed() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(settings["options"]["packages"].split())
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert packages <= listed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import a.b", ["a.b"]),
        ("from dfl_actors import config", ["dfl_actors.config"]),
        ("from dfl_actors.core import x, y", ["dfl_actors.core.x", "dfl_actors.core.y"]),
        ("from ..runtime import stores", ["dfl_actors.runtime.stores"]),
        ("from . import z", ["dfl_actors.core.z"]),
        ("def f():\n    import os", ["os"]),
    ],
)
def test_every_kind_of_import_is_seen(text: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "dfl_actors" / "core" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert list(imports(path)) == found
