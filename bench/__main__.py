"""Run the benchmarks: `python -m bench [--quick] [part …]`; without a part, all of them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from bench import postgres, processes, report
from bench.load import BadAnswerError
from bench.report import Section

_PARTS = {
    "issue": "bench.issue",
    "enforce": "bench.enforce",
    "spend": "bench.spend",
    "decide": "bench.decide",
    "replay": "bench.replay",
    "prove": "bench.prove",
    "reload": "bench.reload",
    "approvals": "bench.approvals",
    "memory": "bench.memory",
    "profile": "bench.profiling",
}
_LONG = ("memory",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that were asked for; 1 if one of them could not be measured."""
    options = _parse(arguments)
    processes.pin_generator()
    parts = options.parts or [part for part in _PARTS if not (options.quick and part in _LONG)]
    failed = 0
    for part in parts:
        measure: Callable[..., Section] = importlib.import_module(_PARTS[part]).measure
        try:
            report.show(measure(quick=options.quick), keep=not options.quick)
        except (BadAnswerError, processes.StartError, postgres.MissingError, OSError) as error:
            print(f"{part}: not measured: {error}", file=sys.stderr)
            failed = 1
    return failed


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(_PARTS))
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few and short rounds, no memory run; bench/results.md stays as it is",
    )
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in _PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; the parts are {', '.join(_PARTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
