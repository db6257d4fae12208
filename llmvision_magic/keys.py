"""The API key: where it is found and where it is kept. It is never part of a repr, a message or a file of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from llmvision_magic.settings import Environment

SERVICE = "llmvision_magic"
"""Service name in the system keyring; the user name there is the server's origin."""


class Key(NamedTuple):
    """An API key and the place it was found in."""

    secret: str
    source: str

    def __repr__(self) -> str:
        return f"Key(secret='…', source={self.source!r})"


def origin_of(base_url: str) -> str:
    """Scheme, host and port: a key belongs to them, so that it goes nowhere else."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"


class Keys:
    """Keys given in this process, in the environment, and in the system keyring.

    Looking into the keyring loads its backends and may ask a system service, so a small list (of origins, not of keys)
    says beforehand whether anything of ours is there.
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
        """The key for a server: given in this kernel, else the environment's, else the keyring's."""
        origin = origin_of(base_url)
        if origin in self._given:
            return Key(self._given[origin], "%chat key, in memory")
        variable = environment.find("LLMVISION_API_KEY")
        if variable is not None:
            return Key(str(variable.value).strip(), variable.source)
        if origin in self._kept():
            import keyring
            from keyring.errors import KeyringError

            try:
                secret = keyring.get_password(SERVICE, origin)
            except KeyringError:
                secret = None
            if secret:
                return Key(secret, "the system keyring")
        return None

    def keep(self, secret: str, base_url: str) -> str:
        """Keep a key for a server, in the system keyring if there is one, else in this process.

        Returns:
            Where it is kept, in words.
        """
        origin = origin_of(base_url)
        self._given[origin] = secret
        import keyring
        from keyring.errors import KeyringError

        backend = keyring.get_keyring()
        if backend.priority < 1:  # keyring's own threshold for a backend that can be recommended
            return "in memory, until this kernel ends (this machine has no system keyring)"
        try:
            keyring.set_password(SERVICE, origin, secret)
            self._write(self._kept() | {origin})
        except (KeyringError, OSError) as error:
            return f"in memory, until this kernel ends (the system keyring refused: {type(error).__name__})"
        return "in the system keyring"

    def forget(self, base_url: str) -> bool:
        """Forget the key of a server, here and in the keyring; False when there was none."""
        origin = origin_of(base_url)
        known = self._given.pop(origin, None) is not None
        if origin in self._kept():
            import keyring
            from keyring.errors import KeyringError

            try:
                keyring.delete_password(SERVICE, origin)
                known = True
            except KeyringError:
                pass  # somebody removed it there by hand: forgotten all the same
            self._write(self._kept() - {origin})
        return known

    def _kept(self) -> set[str]:
        try:
            return set(json.loads(self._list.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return set()

    def _write(self, origins: set[str]) -> None:
        self._list.parent.mkdir(parents=True, exist_ok=True)
        self._list.write_text(json.dumps(sorted(origins)), encoding="utf-8")
