"""What a server said, made fit to be quoted: found in its answer, without secrets, short, one line."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from llmvision_magic.settings.secrets import MASK

LONGEST_QUOTE = 300  # characters of a server's own message
LONGEST_PAGE_QUOTE = 200  # characters of something that is no message at all

# What is taken out: colours of terminals, C0 and C1 controls but for white space, invisible characters and those that
# turn the direction of text, stray halves of surrogate pairs. A text: compiled when a message is quoted.
_INVISIBLE = (
    "\x1b\\[[0-9;]*[A-Za-z]|["
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Server:
    """The server as messages may name it, and what they may not say.

    Attributes:
            address: Base URL without user and password, and without secrets.
        secrets: Key, password, values of headers and the like; taken out of everything that is quoted.
            has_key: Whether anything by which the user is known is sent: a key, a password, a header.
        advice: What to set where there is no API, as a sentence with a space before it.
    """

    def __init__(self, address: str, secrets: tuple[str, ...] = ()) -> None:
        # The longest first: one may be the beginning of another.
        self.secrets = tuple(sorted(secrets, key=len, reverse=True))
        self.address = self.masked(address)
        self.advice = ""
        self.has_key = True

    def masked(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text

    def quoted(self, text: str, limit: int = LONGEST_QUOTE) -> str:
        """`text` on one line, without secrets and control characters, at most `limit` characters."""
        text = " ".join(re.sub(_INVISIBLE, "", text[: 64 * 1024]).split())
        # After the cleaning and before the cut: neither an invisible character between its own nor the cut may let a
        # part of a secret through.
        text = self.masked(text)
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def parsed(body: bytes) -> object:
    """The body's JSON.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        value: object = json.loads(body.decode("utf-8-sig", "replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is a JSON object, else an empty one: servers put anything anywhere."""
    return value if isinstance(value, dict) else {}


def unlisted(value: object) -> object:
    """What a list of one holds: some gateways put an error object into a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def error_object(value: object) -> Mapping[str, object]:
    """The object that describes the error: `{"error": {…}}`, or the answer itself."""
    answer = mapping(unlisted(value))
    return mapping(answer.get("error")) or mapping(answer.get("base_resp")) or answer


def message_in(value: object) -> str:
    """The server's own message in a JSON answer: "" when it has none."""
    value = unlisted(value)
    if isinstance(value, str):
        return value.strip()
    answer = mapping(value)
    error = answer.get("error")
    own = mapping(error).get("message")
    for candidate in (own, error, *(answer.get(name) for name in _MESSAGES), answer.get("base_resp")):
        if text := _text_of(candidate):
            return text
    return ""


_MESSAGES = ("message", "detail", "msg", "error_msg", "error_message", "errmsg", "errors")
_INNER = ("message", "msg", "status_msg", "detail")


def _text_of(value: object, depth: int = 4) -> str:
    """A message: a text, an object that holds one, or a list of these (as validators report them)."""
    if isinstance(value, str):
        return value.strip()
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_text_of(part, depth - 1) for part in value)))
    texts = (_text_of(mapping(value).get(name), depth - 1) for name in _INNER)
    return next(filter(None, texts), "")


def first_words(body: bytes) -> str:
    """Of an answer that is not JSON: the title of a page, else the text as it begins."""
    text = body.decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>(.*?)</title", text, re.DOTALL | re.IGNORECASE):
        return html.unescape(title[1]).strip()
    if text.lstrip()[:1] == "<":
        text = re.sub(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
        text = html.unescape(text)
    return text.strip()


def message_of(body: bytes) -> str:
    """The server's words in an answer with an error status, of whatever kind it is."""
    try:
        value = parsed(body)
    except ValueError:
        return first_words(body)
    return message_in(value)


def passwords(userinfo: str) -> tuple[str, ...]:
    """The password of a URL's `user:password`, as written and as meant."""
    password = userinfo.partition(":")[2]
    return tuple({password, unquote(password)} - {""})
