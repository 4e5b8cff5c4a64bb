"""Which servers may be started: a workflow names programs, and who wrote it may not be who runs it."""

from dataclasses import dataclass

from agents.workflow.model import Server, ServerKind
from agents.workflow.tools import ToolError


@dataclass(frozen=True)
class ServerPolicy:
    """What an operator lets workflows start."""

    allowed: frozenset[tuple[str, tuple[str, ...]]] | None = frozenset()
    """Name and whole command line, each with a program by its full path or from the PATH; None: everything.

    The name alone would not do: an upload can give any command the name of one that is allowed.
    """

    def judge(self, server: Server) -> None:
        """Let a server pass.

        Raises: ToolError: it may not be started.
        """
        if self.allowed is None:
            return
        known = server.kind is not ServerKind.CUSTOM_TOOLS and (
            (server.name, server.argv) in self.allowed
        )
        # NODE_OPTIONS or LD_PRELOAD make another program of any command
        if not known or server.env:
            raise ToolError(
                f"the server “{server.name}” is not started: the operator of this bot has not allowed"
                " its command for uploaded workflows"
            )


OWN_FILES = ServerPolicy(None)
"""For files of the person at the command line, who could start the programs as well."""
UPLOADS = ServerPolicy()
"""For files from a chat: nothing, unless the operator says so."""
