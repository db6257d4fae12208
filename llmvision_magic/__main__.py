"""The command line: ``python -m llmvision_magic VERB``.

A verb is one entry of `VERBS`; what it needs is imported when it runs.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmvision_magic.errors import ChatError, Interrupted
from llmvision_magic.version import __version__

_DONE, _FAILED, _MISUSED, _STOPPED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing the command line does.

    Attributes:
        help: What it does, as a line of the help.
        run: Given the words after the verb; returns the exit code.
    """

    help: str
    run: Callable[[Sequence[str]], int]


def fetch_model(words: Sequence[str]) -> int:
    """Fetch the embedded model unless it is there, and say where it is."""
    if words:
        sys.stderr.write(f"`model` takes no arguments, it was given {' '.join(words)!r}; leave them out.\n")
        return _MISUSED
    from llmvision_magic.backends.local import model_path
    from llmvision_magic.backends.local.progress_display import shown_progress

    with shown_progress(sys.stderr) as progress:
        path = model_path(progress)
    sys.stdout.write(f"{path}\n")
    return _DONE


VERBS = {
    "model": Verb("fetch the embedded model (93 MB, once) and print its path", fetch_model),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        words: The command line after the program's name; `sys.argv` by default.

    Returns:
        0 when done, 1 when it failed, 2 when it was not understood, 130 when it was stopped.
    """
    words = sys.argv[1:] if words is None else words
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return _DONE
    if words[0] == "--version":
        sys.stdout.write(f"llmvision-magic {__version__}\n")
        return _DONE
    verb = VERBS.get(words[0])
    if verb is None:
        sys.stderr.write(_unknown(words[0]))
        return _MISUSED
    if set(words[1:]) & {"-h", "--help"}:
        sys.stdout.write(f"python -m llmvision_magic {words[0]}: {verb.help}\n")
        return _DONE
    try:
        return verb.run(words[1:])
    except ChatError as error:
        sys.stderr.write(f"{error}\n")
        return _FAILED
    except Interrupted as error:
        sys.stderr.write(f"{error}\n")
        return _STOPPED
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return _STOPPED


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "".join(f"  {name:<{width}}  {verb.help}\n" for name, verb in VERBS.items())
    return f"usage: python -m llmvision_magic VERB\n       python -m llmvision_magic --help | --version\n\n{verbs}"


def _unknown(word: str) -> str:
    nearest = difflib.get_close_matches(word, VERBS, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "`python -m llmvision_magic --help` lists them."
    return f"There is no verb {word!r}; {hint}\n"


if __name__ == "__main__":
    sys.exit(main())
