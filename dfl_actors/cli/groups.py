"""How a command lists those below it."""

from typing import Any

from typer.core import TyperGroup

WHOLE = 1_000  # Letters of a sentence at most.


class Sentences(TyperGroup):
    """Says what each command does in a whole sentence, broken where it has no room: one that is cut says little."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands, in their order."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(WHOLE)) for name, one in commands if one is not None and not one.hidden])
