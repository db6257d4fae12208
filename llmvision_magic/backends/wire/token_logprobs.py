"""Log probabilities of tokens, in the two forms that servers send."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from llmvision_magic.backends.wire.server_messages import mapping
from llmvision_magic.messages import TokenLogprob


def logprobs_from(value: object) -> tuple[TokenLogprob, ...] | None:
    """The log probabilities in a choice's `logprobs`; None when it tells none.

    The API's form is a list of objects under ``content`` (or ``refusal``); an older one has parallel lists: ``tokens``,
    ``token_logprobs`` and ``top_logprobs``.
    """
    told = mapping(value)
    if isinstance(tokens := told.get("tokens"), list):
        return _parallel(tokens, told.get("token_logprobs"), told.get("top_logprobs"))
    listed = told.get("content") or told.get("refusal")
    if not isinstance(listed, list):
        return None
    found = []
    for item in listed:
        one = _token(item)
        if one is not None:
            others = mapping(item).get("top_logprobs")
            alternatives = map(_token, others if isinstance(others, list) else ())
            found.append(TokenLogprob(one.token, one.logprob, tuple(filter(None, alternatives))))
    return tuple(found) or None


def _token(item: object) -> TokenLogprob | None:
    return _made(mapping(item).get("token"), mapping(item).get("logprob"))


def _parallel(tokens: list[object], logprobs: object, tops: object) -> tuple[TokenLogprob, ...] | None:
    logprobs = logprobs if isinstance(logprobs, list) else []
    tops = tops if isinstance(tops, list) else []
    found = []
    for token, logprob, top in zip_longest(tokens, logprobs[: len(tokens)], tops[: len(tokens)]):
        one = _made(token, logprob)
        if one is not None:
            others = top.items() if isinstance(top, Mapping) else ()
            alternatives = tuple(filter(None, (_made(*other) for other in others)))
            found.append(TokenLogprob(one.token, one.logprob, alternatives))
    return tuple(found) or None


def _made(token: object, logprob: object) -> TokenLogprob | None:
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    # A logarithm of a probability: not above 0, but for rounding. What is no number at all tells nothing.
    if not -1e300 < logprob < 1e300:
        return None
    return TokenLogprob(token.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), float(logprob))
