"""Several workers under one parent: SIGHUP has them reload, not restart."""

import os
import signal

from prometheus_client import multiprocess
from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """uvicorn's supervisor, with what differs."""

    def handle_hup(self) -> None:
        """Pass SIGHUP on to every worker that serves; one that only starts reads all anew."""
        for process in self.processes:
            if process.pid is not None and process.is_ready():
                os.kill(process.pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died; their gauges die with them."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
