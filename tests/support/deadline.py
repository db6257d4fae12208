"""How long a test waits for what is to come."""

from __future__ import annotations

DEADLINE = 300.0
"""Seconds. No test is about this number: it ends what hangs, so it is far more than a busy machine needs for anything
here, JupyterLab's start included. A test waits for an event, and what must be quick is measured by `make bench`."""
