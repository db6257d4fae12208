"""Before the first prompt goes to a server that a ``.env`` file names, whoever looks on is asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from llmvision_magic.kernel.execute_request import Shell, in_notebook, running_cell
from llmvision_magic.kernel.interrupts import ordinary_interrupts

if TYPE_CHECKING:
    from llmvision_magic.backends.server_consent import ServerConsent
    from llmvision_magic.backends.target import Target
    from llmvision_magic.settings.environment import Environment
    from llmvision_magic.stop import Stop

INSTEAD = "Run the cell again to be asked again, or set LLMVISION_BASE_URL in the environment, where it is stronger."


def ask_for_consent(shell: Shell, consent: ServerConsent, target: Target, environment: Environment, stop: Stop) -> None:
    """Ask whether prompts may go to a target that nobody has agreed to yet.

    A program that runs the notebook is not asked: the footer of each reply says where it came from.

    Raises:
        InvalidInput: The answer was no; nothing was sent.
        Interrupted: The reader would rather not answer.
    """
    if not _somebody_can_answer(shell):
        return
    from llmvision_magic.backends.server_consent import described, refusal

    question = (
        f"{described(target, environment)}. Prompts, and the values in them, would go there. "
        "Do you know it, and shall they, from this folder? [y/N] "
    )
    try:
        with ordinary_interrupts(stop):
            answer = input(question)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise refusal(target, environment, INSTEAD)
    consent.agree(target, environment)


def _somebody_can_answer(shell: Shell) -> bool:
    if in_notebook(shell):
        return running_cell().interactive
    return sys.stdin is not None and sys.stdin.isatty()
