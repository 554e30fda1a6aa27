"""Files of people's own: read as they are; written whole or not at all, where a link points."""

import os
import shutil
import tempfile
from pathlib import Path

from fleeting.cli.terminal import CommandError


def read_text(path: Path) -> str:
    """Return what *path* says, its line ends as they are.

    Raises:
        CommandError: it is not UTF-8. OSError: it cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8: {error}") from None


def replace_text(path: Path, text: str) -> None:
    """Write *text* to *path*, whole or not at all; who may read it stays who may read it."""
    target = path.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
