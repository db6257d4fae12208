"""Pages of ours, written in Markdown: status, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from llmvision_magic.backends.target import PLATFORM_MODEL, PLATFORM_URL, check_address, shown_address
from llmvision_magic.chat.conversation_settings import usable_value
from llmvision_magic.chat.usage import TokenTotals
from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.markdown import code_span, counted
from llmvision_magic.rendering.page_bundle import Fold, Part
from llmvision_magic.settings.declarations import BY_NAME, SETTINGS
from llmvision_magic.settings.environment import Value
from llmvision_magic.settings.headers import Headers
from llmvision_magic.settings.secrets import without_known_secrets
from llmvision_magic.text_files import shown_path

if TYPE_CHECKING:
    from llmvision_magic.backends.connections import Connections
    from llmvision_magic.backends.target import Target
    from llmvision_magic.chat.prices import Prices
    from llmvision_magic.chat.session import Session
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.journal import Journal
    from llmvision_magic.settings.layers import Settings


DEFAULT = "default"
"""The source of a value that is given nowhere."""


def status_page(session: Session, settings: Settings, *, is_short: bool = False) -> list[Part]:
    """Where a request goes, each value and its source, what is sent, and where it is kept.

    It is the page where one looks for what is wrong: what cannot be used is shown as such, and is no error here.

    Args:
        is_short: Fold what is at its default.
    """
    where, trouble = _target_rows(session, settings)
    set_, not_set = _setting_rows(session, settings)
    rows = [
        *_conversation_rows(session.conversation()),
        *where,
        *set_,
        _recording_row(session.connections, settings),
        _journal_row(session.journal),
    ]
    if not session.conversation().system:
        not_set.insert(0, "system prompt")
    sent = f"Not set, and so not sent: {', '.join(not_set)}."
    usual = [row for row in rows if row.is_usual]
    parts: list[Part] = [_table([row for row in rows if not (is_short and row.is_usual)])]
    if is_short:
        title = f"What is at its default ({len(usual)}), or not set and so not sent ({len(not_set)})"
        named = f"At their defaults: {', '.join(row.name for row in usual)}. {sent} `%chat status` shows each."
        parts.append(Fold(title, f"{_table(usual)}\n\n{sent}", named))
    else:
        parts.append(sent)
    return [*parts, f"Nothing can be asked: {trouble}"] if trouble else parts


class _Row(NamedTuple):
    """A row of the status; `is_usual` says that nobody has to see it to know where things stand."""

    name: str
    value: str
    source: str = ""
    is_usual: bool = False


def _table(rows: Sequence[_Row]) -> str:
    lines = [without_known_secrets(f"| {row.name} | {row.value} | {row.source} |") for row in rows]
    return "\n".join(["| setting | value | from |", "| --- | --- | --- |", *lines])


def _conversation_rows(conversation: Conversation) -> list[_Row]:
    rows = [_Row("conversation", f"{conversation.name}, {counted(len(conversation.path()), 'turn')}")]
    return (
        [*rows, _Row("system prompt", code_span(conversation.system), "%chat system")] if conversation.system else rows
    )


def _setting_rows(session: Session, settings: Settings) -> tuple[list[_Row], list[str]]:
    """The settings that have a value, and the names of the others."""
    rows, not_set = [], []
    for setting in SETTINGS:
        if setting.name in ("model", "base_url"):
            continue
        if (unusable := _unusable_row(setting.name, session, settings)) is not None:
            rows.append(unusable)
            continue
        value = settings.find(setting.name)
        if value.value is None:
            not_set.append(setting.name)
        else:
            shown = shown_setting(setting.name, value.value)
            rows.append(_Row(setting.name, shown, value.source, is_usual=value.source == DEFAULT))
    return rows, not_set


def _target_rows(session: Session, settings: Settings) -> tuple[list[_Row], str]:
    """Server, key and model; and why no request can go there, as a sentence, "" when one can."""
    try:
        target = session.connections.target(settings)
        check_address(target)
    except InvalidInput as error:
        return _refused_rows(session, settings), str(error)
    key, key_source = ("none is sent", "") if target.key is None else ("is sent", target.key.source)
    return [
        _Row("server", target.shown_url, target.url_source),
        *([_consent_row(session, settings, target)] if target.is_named_by_dotenv else []),
        _Row("API key", key, key_source),
        _Row("model", target.model or "the embedded one", target.model_source),
    ], ""


def _consent_row(session: Session, settings: Settings, target: Target) -> _Row:
    source = session.connections.consent.source(target, settings.environment)
    if source is None:
        return _Row("server of .env", "nobody has agreed to it: the next cell asks first")
    return _Row("server of .env", "prompts may go there", source)


def _refused_rows(session: Session, settings: Settings) -> list[_Row]:
    server = next(iter(settings.given("base_url")), Value(PLATFORM_URL, "default"))
    address, model = shown_setting("base_url", server.value), _unusable_row("model", session, settings)
    if model is None:
        address, found = f"unusable: {address}", settings.find("model")
        model = _Row("model", str(found.value or PLATFORM_MODEL), found.source)
    return [_Row("server", address, server.source), _Row("API key", "none is sent"), model]


def _unusable_row(name: str, session: Session, settings: Settings) -> _Row | None:
    """The row of a setting whose value cannot be used; None for one that can."""
    for given in settings.given(name):
        try:
            usable_value(session.connections, name, given.value, lambda: settings)
        except InvalidInput:
            shown = f"unusable: {shown_setting(name, given.value)}; expected {BY_NAME[name].expected}"
            return _Row(name, shown, given.source)
    return None


def _recording_row(connections: Connections, settings: Settings) -> _Row:
    try:
        tape = connections.tape(settings.environment)
    except InvalidInput as error:
        return _Row("recording", code_span(str(error)))
    if tape is None:
        return _Row("recording", "nothing is recorded or replayed", is_usual=True)
    from llmvision_magic.kernel.verbs.recording_text import described

    return _Row("recording", described(tape), tape.source)


def _journal_row(journal: Journal) -> _Row:
    place = journal.file.place
    where = "off: nothing is kept" if place.path is None else code_span(shown_path(place.path))
    if place.path is not None and journal.file.trouble is not None:
        where += f"; not kept: {code_span(str(journal.file.trouble))}"
    return _Row("journal", where, place.source, is_usual=place.source == DEFAULT and journal.file.trouble is None)


def usage_page(spent: Mapping[tuple[str, str], TokenTotals], prices: Prices | None) -> str:
    """Tokens per conversation and model, and in all; nothing is estimated.

    Args:
        spent: By conversation and model.
        prices: What tokens cost; None where no price file is given.
    """
    if not spent:
        return "No replies yet."
    heads = ["conversation", "model", "replies", "prompt tokens", "completion tokens"]
    heads += [f"price ({prices.currency})"] if prices else []
    rows = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    total, cost, unpriced = TokenTotals(), 0.0, set()
    for (name, model), one in spent.items():
        total.join(one)
        price = prices.models.get(model) if prices else None
        if price is None:
            unpriced.add(model)
        else:
            cost += price.of(one)
        rows.append(
            _usage_row(name, code_span(model), one, (_cost(price.of(one)) if price else "") if prices else None)
        )
    if len(spent) > 1:
        rows.append(_usage_row("**in all**", "", total, _cost(cost) if prices else None))
    page = "\n".join(rows)
    if total.told < total.replies:
        untold = counted(total.replies - total.told, "reply", "replies")
        page += f"\n\nFor {untold} the server told no usage; nothing is guessed."
    if prices and unpriced:
        page += f"\n\nThe price file has no price for {', '.join(map(code_span, sorted(unpriced)))}."
    return page


def _cost(cost: float) -> str:
    return "< 0.0001" if 0 < cost < 0.0001 else f"{cost:,.4f}"


def _usage_row(name: str, model: str, spent: TokenTotals, cost: str | None) -> str:
    cells = [name, model, str(spent.replies), f"{spent.prompt_tokens:,}", f"{spent.completion_tokens:,}"]
    return f"| {' | '.join([*cells, *([] if cost is None else [cost])])} |"


def shown_setting(name: str, value: object) -> str:
    """A setting's value, for a table. Of an address no user name and password are shown, of headers the names alone."""
    if BY_NAME[name].is_secret:
        names = ", ".join(map(code_span, value)) if isinstance(value, Headers) else ""
        return f"{names or 'a value'} (not shown)"
    return code_span(shown_address(str(value)) if name == "base_url" else value)
