"""The demo: an installation, its server and a guarded API, and what tokens are not good for."""

from fleeting.demo.performing import run

__all__ = ["run"]
