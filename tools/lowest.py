"""Print the lowest versions that `setup.cfg` allows, one requirement a line, for pip.

    python tools/lowest.py > lowest.txt

TensorFlow and TensorBoard are left out: they are half a gigabyte, and nothing that `make lowest` runs needs them.
"""

import configparser
from pathlib import Path

LARGE = ("tensorboard", "tensorflow")
TESTING = ("hypothesis", "pytest")


def lowest(setup: str) -> list[str]:
    """`name==minimum` for each requirement in the text of a `setup.cfg` that `make lowest` installs."""
    read = configparser.ConfigParser()
    read.read_string(setup)
    needed = [line for line in read["options"]["install_requires"].split("\n") if line and not line.startswith(LARGE)]
    testing = [line for line in read["options.extras_require"]["dev"].split("\n") if line.startswith(TESTING)]
    return [line.replace(" >= ", "==") for line in needed + testing]


if __name__ == "__main__":
    print("\n".join(lowest((Path(__file__).parent.parent / "setup.cfg").read_text(encoding="utf-8"))))
