"""What a process is called in `ps`, `top` and `htop`."""

import os
from contextlib import suppress
from pathlib import Path

ARGUMENTS = slice(45, 47)  # Where in `/proc/self/stat`, after the command's name, the place of the arguments stands: fields 48 and 49.
LONGEST = 15  # Bytes of a command's name that Linux keeps.


def rename(name: str) -> None:
    """Be called `name`: the command and, as far as there is room, its arguments. Where a system has no such way nothing changes."""
    with suppress(OSError, ValueError):
        Path("/proc/self/comm").write_bytes(name.encode()[:LONGEST])
        fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
        begin, end = map(int, fields[ARGUMENTS])
        room = end - begin
        # The kernel shows what comes before the first NUL once the last byte is none.
        title = name.encode()[: room - 2].ljust(room - 1, b"\0") + b" "
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.pwrite(memory, title, begin)
        finally:
            os.close(memory)
