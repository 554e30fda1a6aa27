"""Read files that others may have put there: plain ones of a bounded size, and nothing else."""

import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024
"""How large a file may be: what is larger was put there by mistake, or to fill our memory."""


def read_plain_text(path: Path) -> str:
    """Return the text of *path*, of at most ``MAX_BYTES``; links are followed.

    A pipe or a device is refused and not waited for: whoever waits here follows nothing else, not
    even a rollback.

    Raises:
        OSError: it cannot be read, is no plain file or too large. UnicodeDecodeError: not UTF-8.
    """
    with open(path, encoding="utf-8", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES} bytes", str(path))
    return text


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
