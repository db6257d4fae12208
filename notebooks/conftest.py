"""Each notebook here is tested with the recording beside it: ``pytest --nbval notebooks``.

The lessons name theirs in a cell; the quickstart and the panel ask whatever server is set, and so do not.
"""

import os

import pytest

CHOSEN = "LLMVISION_REPLAY" in os.environ  # for example "off", to run them with a model


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the kernel of a notebook starts, which takes over the environment."""
    if not CHOSEN:
        os.environ["LLMVISION_REPLAY"] = f"{item.path.stem}.jsonl"
