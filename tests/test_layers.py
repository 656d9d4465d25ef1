"""What is installed. What may import what is checked by import-linter (`pyproject.toml`, `make check`)."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_package_is_installed() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(settings["options"]["packages"].split())
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "dfl_actors").rglob("__init__.py")}
    assert packages <= listed
