"""The version: in a file of its own, for the wire names it in its requests and must not import the package for that."""

__version__ = "0.1.0"
