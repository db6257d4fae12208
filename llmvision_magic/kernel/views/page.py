"""A page of ours, in a notebook or a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmvision_magic.kernel.execute_request import in_notebook

if TYPE_CHECKING:
    from llmvision_magic.rendering.page_bundle import Part

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""


def show_page(shell: Shell, page: str | Sequence[Part]) -> None:
    """Show a page of ours, written in Markdown, or of parts some of which are folded where that can be."""
    from llmvision_magic.rendering.page_bundle import page_bundle, page_markdown

    parts = [page] if isinstance(page, str) else page
    if in_notebook(shell):
        shell.display_pub.publish(page_bundle(parts))
        return
    from llmvision_magic.kernel.views.terminal import print_page

    print_page(page_markdown(parts), sys.stdout)
