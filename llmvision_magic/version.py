"""The version: below all rooms, for the wire names it in its requests."""

__version__ = "0.1.0"
