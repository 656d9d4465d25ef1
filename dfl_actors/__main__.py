"""`python -m dfl_actors`, and the console script `dfl-actors`.

Nothing slow is imported before signals and the standard streams are what the rest of the program takes them for.
"""

import os
import sys


def main() -> None:
    """Run the command line. A signal ends the program with 130 or 143, also while it is still being imported."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    open_streams()
    try:
        from dfl_actors.cli import main as command
    except (KeyboardInterrupt, SystemExit) as end:
        sys.stderr.write("stopped before it had begun\n")
        sys.exit(end.code if isinstance(end, SystemExit) else 130)
    command()


def open_streams() -> None:
    """A closed stdin, stdout or stderr leads nowhere: else the next file or socket that is opened would be taken for it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def without_the_current_folder() -> None:
    """`python -m` looks for modules in the current folder first, where a file may be called like one that we need."""
    package = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  pathlib would already be looked for there
    if not sys.flags.safe_path and sys.path[0] != package:
        del sys.path[0]


if __name__ == "__main__":
    without_the_current_folder()
    main()
