"""A page of ours, in a notebook or a terminal."""

from __future__ import annotations

import sys
from typing import Any

from llmvision_magic.kernel.execute_request import in_notebook

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def show_page(shell: Shell, markdown: str) -> None:
    """Show a page of ours, written in Markdown."""
    if in_notebook(shell):
        from llmvision_magic.messages import Reply
        from llmvision_magic.rendering import Footer, reply_bundle

        shell.display_pub.publish(reply_bundle(Reply(markdown), Footer([], "")))
        return
    from llmvision_magic.kernel.views.terminal import print_page

    print_page(markdown, sys.stdout)
