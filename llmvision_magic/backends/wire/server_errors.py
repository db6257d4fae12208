"""What a server says is wrong, as our errors: error statuses, error objects, answers that are no reply."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from llmvision_magic.backends.wire.server_messages import (
    LONGEST_PAGE_QUOTE,
    Server,
    error_object,
    mapping,
    message_in,
)
from llmvision_magic.errors import (
    BadResponse,
    ChatError,
    ContextTooLong,
    KeyRefused,
    ReplyCut,
    RequestRefused,
    ServerBusy,
)

KEPT = "What had arrived is kept."

_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"})
# As texts: compiling them is nothing for a first chat that does not fail.
_CONTEXT_WORDS = (
    r"(?i)context[ _-]?(length|size|window)|maximum context|prompt is too long|too many (input |prompt )?tokens"
)
_CONTEXT_SIZE = r"(?i)(?:context (?:length|size|window)[^\d.;]{0,30}|n_ctx\D{0,5})(\d[\d,]*)"
_PROMPT_SIZE = r"(?i)(?:resulted in|requested|you sent|prompt is|prompt has|request has|request \()\D{0,20}(\d[\d,]*)"
_NO_IMAGES = r"(?i)\bimages?\b.*\bnot support"
"""How llama.cpp says it, with a status that promises that it may go better later."""
_KEY_CODES = frozenset({"no_db_connection", "invalid_api_key", "auth_error", "authentication_error"})
_KEY_WORDS = (
    r"(?i)\b(invalid|incorrect|missing|expired|no|wrong|unknown)\b.{0,20}\bapi[ _-]?key\b"
    r"|\bapi[ _-]?key\b.{0,20}\b(not valid|invalid|incorrect|missing|expired|required|wrong|not found)\b"
)
_BUSY_CODES = r"(?i)rate[_-]?limit|overload|too_many_requests|unavailable|server_busy|insufficient_system_resource"


def from_status(
    status: int,
    message: str,
    answer: object,
    server: Server,
    *,
    model: str = "",
    location: str = "",
    asked_pause: float | None = None,
) -> RequestRefused:
    """What an answer with an error status means.

    Args:
        status: HTTP status, 300 or more.
        message: The server's words as found in the answer; may be empty.
        answer: The answer's JSON, or None.
        server: Who answered.
        model: The model asked for; empty when none was.
        location: Target of a redirect.
        asked_pause: Seconds the server asks to wait.
    """
    said = server.quoted(message)
    words = f": {said.rstrip('.')}. " if said else ". "
    if status < 400:
        target = server.quoted(location) or "an unnamed place"
        return RequestRefused(
            f"The server at {server.address} redirects ({status}) to {target}, which is not followed: "
            "set the base URL to where the API is.",
            status=status,
            server_message=said,
        )
    if context := _context_too_long(status, said, answer):
        return context
    if status == 401 and not server.has_key:
        return KeyRefused(
            f"The server at {server.address} wants a key (401), and none is set{words}"
            "Set it: `%chat key`, or LLMVISION_API_KEY.",
            status=status,
            server_message=said,
        )
    if status in (401, 403) or _is_about_key(answer, said):
        verb = "does not accept the key" if status != 403 else "does not allow this"
        return KeyRefused(
            f"The server at {server.address} {verb} ({status}){words}Check the key: `%chat key`.",
            status=status,
            server_message=said,
        )
    if status >= 500 and re.search(_NO_IMAGES, said):
        return RequestRefused(
            f"The server at {server.address} refused the images ({status}){words}Leave them out.",
            status=status,
            server_message=said,
        )
    if status == 429 or status >= 500:
        state = "is busy" if status in (429, 503) else "failed"
        advice = "Try again later."
        if asked_pause is not None and asked_pause >= 1:
            advice = f"It asks to wait {asked_pause:,.0f} s; try again then."
        return ServerBusy(
            f"The server at {server.address} {state} ({status}){words}{advice}", status=status, server_message=said
        )
    if status in (404, 405):
        what = f"; either the base URL is wrong or the model {model!r} is unknown there" if model else ""
        advice = f"Check the base URL{' and the model: `%chat models`' if model else ''}."
        if not names_model(said, model):
            advice += server.advice
        return RequestRefused(
            f"Nothing found at {server.address} ({status}){what}{words}{advice}", status=status, server_message=said
        )
    if status == 413:
        advice = "Send less: a shorter prompt, or begin a new conversation."
    else:
        advice = "Change the request accordingly." if said else "It gave no reason; check the base URL and the options."
    return RequestRefused(
        f"The server at {server.address} refused the request ({status}){words}{advice}",
        status=status,
        server_message=said,
    )


def from_error_object(value: object, server: Server, *, after_text: bool) -> ChatError:
    """What an error object inside a reply with status 200 means.

    Args:
        value: The JSON that came in place of a piece of the reply, or a bare text.
        server: Who sent it.
        after_text: Whether text of the reply had arrived; then the reply is cut, whatever the error.
    """
    said = server.quoted(message_in(value))
    words = said.rstrip(".") or "an error without a message"
    if after_text:
        return ReplyCut(f"The reply was cut; the server said: {words}. {KEPT}")
    error = error_object(value)
    if context := _context_too_long(None, said, value):
        return context
    code = error.get("code", error.get("status_code"))
    labels = " ".join(str(error.get(name)) for name in ("code", "type"))
    if code in (401, 403, "401", "403") or _is_about_key(value, said):
        return KeyRefused(
            f"The server at {server.address} does not accept the key: {words}. Check the key: `%chat key`.",
            server_message=said,
        )
    if re.search(_BUSY_CODES, labels) or code in (429, 500, 502, 503, 504):
        return ServerBusy(f"The server at {server.address} is busy: {words}. Try again later.", server_message=said)
    return RequestRefused(
        f"The server at {server.address} sent an error in place of a reply: {words}. "
        "Try again, or change the request accordingly.",
        server_message=said,
    )


def _is_about_key(answer: object, said: str) -> bool:
    """Whether an error is about the key, whatever its status: so say proxies, and one without its database of keys."""
    error = error_object(answer)
    if _KEY_CODES & {str(error.get("code")), str(error.get("type"))}:
        return True
    return re.search(_KEY_WORDS, said) is not None


def _context_too_long(status: int | None, said: str, answer: object) -> ContextTooLong | None:
    """The error, if that is what the answer says; by its code, else by its words."""
    if status not in (None, 400, 413, 422, 500):
        return None
    error = error_object(answer)
    if not (_CONTEXT_CODES & {str(error.get("code")), str(error.get("type"))} or re.search(_CONTEXT_WORDS, said)):
        return None
    prompt = _count(error.get("n_prompt_tokens"), re.search(_PROMPT_SIZE, said))
    context = _count(error.get("n_ctx"), re.search(_CONTEXT_SIZE, said))
    sizes = "the messages do not fit into the model's context"
    if prompt and context:
        sizes = f"the messages have {prompt} tokens and the model's context {context}"
    elif context:
        sizes += f" of {context} tokens"
    return ContextTooLong(
        f"Too long: {sizes}. Send less, or begin a new conversation: `%chat new NAME`.",
        status=status,
        server_message=said,
        prompt_tokens=prompt,
        context_tokens=context,
    )


def _count(value: object, match: re.Match[str] | None) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(match[1].replace(",", "")[:12]) if match else None


def not_a_reply(what: str, body: str, server: Server) -> BadResponse:
    """An answer with status 200 that is not the API. `what` continues "a reply was expected and … came"."""
    quote = server.quoted(body, LONGEST_PAGE_QUOTE)
    words = f" (“{quote}”)" if quote else ""
    return BadResponse(
        f"A reply of the Chat Completion API was expected from {server.address}, and {what} came{words}: "
        f"check the base URL.{server.advice}"
    )


def names_model(said: str, model: str) -> bool:
    """Whether a server speaks of the model that it was asked for."""
    return bool(model and model in said) or re.search(r"(?i)\bmodels?\b", said) is not None


def is_no_api(error: ChatError, model: str) -> bool:
    """Whether an answer says that there is no API, and not that the API refuses the request."""
    if isinstance(error, RequestRefused):
        return error.status in (404, 405) and not names_model(error.server_message, model)
    return isinstance(error, BadResponse)


def is_error(value: Mapping[str, object]) -> bool:
    """Whether a JSON object in the place of a reply is an error, in one of the forms that servers have for it.

    `{"error": …}` is one whatever stands beside it. `{"detail": …}`, `{"code": …, "message": …}` and the like are one
    where no part of a reply is there.
    """
    if value.get("error") or value.get("object") == "error":
        return True
    return not value.get("choices") and _tells_of_an_error(value)


def _tells_of_an_error(value: Mapping[str, object]) -> bool:
    get = value.get
    if get("object") in ("chat.completion", "chat.completion.chunk"):
        return False
    if get("type") == "error" or get("status") == "error":
        return True
    codes = (get("code"), get("error_code"), get("errcode"), mapping(get("base_resp")).get("status_code"))
    is_named = any(code not in _FINE for code in codes) or get("success") is False or "detail" in value
    return (is_named or bool(get("errors"))) and bool(message_in(value))


_FINE: Collection[object] = [None, 0, 200, "", "0", "200", "ok", "OK", "success", "Success"]  # codes of no error


def error_words(data: str) -> str | None:
    """What follows "error:" in the data of an event that is no JSON; None where it does not begin so."""
    found = re.match(r"\s*\[?error\]?\s*(?::\s*|-\s+|\s|$)", data[:100], re.IGNORECASE)
    return None if found is None else data[found.end() :].strip() or data.strip()


def from_finish_reason(reason: str, server: Server, *, after_text: bool) -> ChatError:
    """What a finish reason means that says that the reply broke off; `after_text` as of `from_error_object`."""
    said = f"finish reason “{server.quoted(reason, 40)}”"
    if after_text:
        return ReplyCut(f"The reply was cut: the server ended it with the {said}. {KEPT}")
    return ServerBusy(
        f"The server at {server.address} ended the reply before any text, with the {said}. Try again later.",
        server_message=said,
    )
