"""The API key: where it is found and where it is kept. It is never part of a repr, a message or a file of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from llmvision_magic.errors import InvalidInput

if TYPE_CHECKING:
    from llmvision_magic.settings.environment import Environment

SERVICE = "llmvision_magic"
"""Service name in the system keyring; the user name there is the server's origin."""

_PORTS = {"http": 80, "https": 443}
_IN_MEMORY = "in memory, until this kernel ends"


class Key(NamedTuple):
    """An API key and the place it was found in."""

    secret: str
    source: str

    def __repr__(self) -> str:
        return f"Key(secret='…', source={self.source!r})"


class _Remembered:
    def __init__(self) -> None:
        self.texts: set[str] = set()


_REMEMBERED = _Remembered()


def remember_secret(text: str) -> None:
    """From now on this text is a secret of this process: no sentence, page or log of ours shows it."""
    _REMEMBERED.texts.add(text)


def remembered_secrets() -> frozenset[str]:
    """What was remembered so far."""
    return frozenset(_REMEMBERED.texts)


def checked_key(secret: str) -> str:
    """The key without blanks around it.

    Raises:
        InvalidInput: It is empty, or holds what no key holds and no header can carry. What it holds is not told.
    """
    secret = secret.strip()
    if not secret:
        raise InvalidInput("No key was given; nothing changed.")
    if not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise InvalidInput(
            "A key is one word of ASCII characters; what came has a blank, a line end or another character in it: "
            "copy the key again, whole and alone."
        )
    return secret


def origin_of(base_url: str) -> str:
    """Scheme, host and port: a key belongs to them, so that it goes nowhere else.

    "" for what is no address; no key belongs to that.
    """
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError:
        return ""
    if not parts.scheme or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS.get(parts.scheme)) else f":{port}")


def checked_origin(base_url: str) -> str:
    """The origin that a key for this server belongs to.

    Raises:
        InvalidInput: The base URL is no address.
    """
    origin = origin_of(base_url)
    if not origin:
        raise InvalidInput("A key belongs to a server, but the base URL that is set is no address: set another.")
    return origin


class Keys:
    """Keys given in this process, in the environment, and in the system keyring.

    Looking into the keyring loads its backends and may ask a system service, so a small list (of origins, not of keys)
    says beforehand whether anything of ours is there.

    Args:
        folder: Where that list is; None for the user's folder for configuration.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given: dict[str, str] = {}
        self._folder = folder

    @property
    def _list(self) -> Path:
        if self._folder is None:
            from platformdirs import user_config_path

            self._folder = user_config_path("llmvision_magic")
        return self._folder / "keyring.json"

    def find(self, base_url: str, environment: Environment) -> Key | None:
        """The key for a server: given in this process, else the environment's, else the keyring's.

        Raises:
            InvalidInput: The key is in the keyring, and the keyring does not give it. Going on without it would ask
                another model, or ask as nobody.
        """
        origin = origin_of(base_url)
        if origin in self._given:
            return Key(self._given[origin], "%chat key, in memory")
        variable = environment.find("LLMVISION_API_KEY")
        if variable is not None and str(variable.value).strip():
            return Key(str(variable.value).strip(), variable.source)
        if origin not in self._kept():
            return None
        try:
            import keyring

            secret = keyring.get_password(SERVICE, origin)
        except Exception as error:  # a backend is anybody's code
            raise InvalidInput(
                f"The key for {origin} is in the system keyring, which does not give it ({_named(error)}): unlock it, "
                "or give the key anew with `%chat key`, or forget it with `%chat key forget`."
            ) from error
        return Key(secret, "the system keyring") if secret else None

    def keep(self, secret: str, base_url: str) -> str:
        """Keep a key for a server, in the system keyring if there is one, else in this process.

        Returns:
            Where it is kept, in words.

        Raises:
            InvalidInput: It is no key, or no address.
        """
        secret = checked_key(secret)
        origin = checked_origin(base_url)
        self._given[origin] = secret
        before = self._kept()
        try:
            import keyring

            # Below 1 are the backends that keyring itself does not recommend: none at all, and files in plain text.
            if keyring.get_keyring().priority < 1:
                return f"{_IN_MEMORY} (this machine has no system keyring)"
            # Listed first: an origin too many costs a look into the keyring, one too few loses the key.
            self._write(before | {origin})
            keyring.set_password(SERVICE, origin, secret)
        except (Exception, KeyboardInterrupt) as error:  # the reader may tire of a keyring that does not answer
            self._write(before)
            return f"{_IN_MEMORY} (the system keyring did not take it: {_named(error)})"
        return "in the system keyring"

    def forget(self, base_url: str) -> bool:
        """Forget the key of a server, here and in the keyring; False when there was none.

        Raises:
            InvalidInput: The keyring does not let it go; it is still there.
        """
        origin = checked_origin(base_url)
        known = self._given.pop(origin, None) is not None
        if origin not in self._kept():
            return known
        try:
            import keyring

            # Asked first, for what is not there cannot be deleted: somebody removed it by hand.
            if keyring.get_password(SERVICE, origin):
                keyring.delete_password(SERVICE, origin)
                known = True
        except Exception as error:
            raise InvalidInput(
                f"The key for {origin} is in the system keyring, which does not let it go ({_named(error)}): unlock it "
                f"and try again, or remove the entry {SERVICE!r} there by hand."
            ) from error
        self._write(self._kept() - {origin})
        return known

    def _kept(self) -> set[str]:
        try:
            return set(json.loads(self._list.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return set()

    def _write(self, origins: set[str]) -> None:
        if origins == self._kept():
            return
        self._list.parent.mkdir(parents=True, exist_ok=True)
        self._list.write_text(json.dumps(sorted(origins)), encoding="utf-8")


def _named(error: BaseException) -> str:
    """The error by its name alone: its text may quote what it was given."""
    return type(error).__name__
