"""A magic whose ``?`` shows help made from the declarations, when it is asked for and not when it is loaded."""

from __future__ import annotations

from collections.abc import Callable


class DocumentedMagic:
    """A magic function for IPython's table.

    IPython asks an object for `getdoc` before it reads ``__doc__``.

    Args:
        function: What is called.
        page: Makes the help text.
        summary: One sentence for ``%lsmagic`` and ``%quickref``.
    """

    def __init__(self, function: Callable[..., None], page: Callable[[], str], summary: str) -> None:
        self._function = function
        self._page = page
        self.__doc__ = summary
        self.__name__ = function.__name__

    def __call__(self, *args: str) -> None:
        self._function(*args)

    def getdoc(self) -> str:
        """The help text, as IPython's ``?`` shows it."""
        return self._page()
