"""The edge to IPython: loading and unloading the extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmvision_magic.kernel.extension import Extension
    from llmvision_magic.kernel.magics import ChatMagics

Shell = Any
"""IPython's shell; IPython publishes no types for what is used here."""

_ATTRIBUTE = "_llmvision_magic"
"""The loaded extension hangs on the shell it was loaded into: one per kernel, gone with it."""

_KEPT = "_llmvision_magic_kept"
"""The kernel's session hangs there while the extension is unloaded: only `%chat drop` throws a conversation away."""


def load_ipython_extension(shell: Shell) -> None:
    """``%load_ext llmvision_magic``. Loading twice changes nothing; the kernel's conversations are there again."""
    from llmvision_magic.kernel.extension import Extension

    if getattr(shell, _ATTRIBUTE, None) is None:
        setattr(shell, _ATTRIBUTE, Extension(shell, getattr(shell, _KEPT, None)))


def unload_ipython_extension(shell: Shell) -> None:
    """``%unload_ext llmvision_magic``: all is as it was before loading, but that conversations wait for the next."""
    extension: Extension | None = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        delattr(shell, _ATTRIBUTE)
        extension.unload()
        if extension.magics.kept is not None:
            setattr(shell, _KEPT, extension.magics.kept)


def loaded_magics(shell: Shell) -> ChatMagics:
    """The magics of this shell; the extension is loaded if it is not yet."""
    load_ipython_extension(shell)
    extension: Extension = getattr(shell, _ATTRIBUTE)
    return extension.magics
