"""Fleeting: just-in-time access for OAuth 2.0."""

from importlib.metadata import version

__version__ = version("fleeting")
