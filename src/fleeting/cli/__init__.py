"""The command line: ``fleeting init | serve | demo | request | explain | audit | …``."""

import sys

_MISSING = """\
fleeting: {name} is not installed: this is the bare install, for callers and resource servers.
The command line needs the server's dependencies too:

    pip install 'fleeting[server]'
"""


def main() -> None:
    """Run the command line."""
    try:
        from fleeting.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fleeting"):
            raise
        sys.exit(_MISSING.format(name=error.name))
    app()


__all__ = ["main"]
