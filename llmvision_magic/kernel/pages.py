"""Pages of ours, written in Markdown: status, history, usage, help, and what a dry run would send."""

from __future__ import annotations

import json
import re

from llmvision_magic.connections import shown_address
from llmvision_magic.conversation import Conversation, Turn
from llmvision_magic.journal import Journal, shown_path
from llmvision_magic.kernel.options import options_help
from llmvision_magic.kernel.verbs import verbs_help
from llmvision_magic.messages import Content
from llmvision_magic.session import Plan, Session, Spent
from llmvision_magic.settings import SETTINGS, Settings


def help_page() -> str:
    """Everything there is, on one page of Markdown."""
    return (
        "Write `%%chat` in the first line of a cell and the prompt below it.\n\n"
        f"**Options of `%%chat`**\n\n{options_help()}\n\n**Verbs of `%chat`**\n\n{verbs_help()}"
    )


def status_page(session: Session, settings: Settings) -> str:
    """Where a request goes, each value and its source, what is sent, and where it is kept."""
    conversation, target = session.conversation(), session.connections.target(settings)
    key = "none is sent" if target.key is None else "is sent"
    key_source = "" if target.key is None else target.key.source
    rows = [
        "| setting | value | from |",
        "| --- | --- | --- |",
        f"| conversation | {conversation.name}, {counted(len(conversation.path()), 'turn')} |  |",
        f"| server | {target.shown_url} | {target.url_source} |",
        f"| API key | {key} | {key_source} |",
        f"| model | {target.model or 'the embedded one'} | {target.model_source} |",
    ]
    not_sent = []
    if conversation.system:
        rows.append(f"| system prompt | {code_span(conversation.system)} | %chat system |")
    else:
        not_sent.append("system prompt")
    for setting in SETTINGS:
        if setting.name in ("model", "base_url"):
            continue
        value = settings.find(setting.name)
        if value.value is None:
            not_sent.append(setting.name)
        else:
            rows.append(f"| {setting.name} | {shown_setting(setting.name, value.value)} | {value.source} |")
    rows.append(_journal_row(session.journal))
    return "\n".join(rows) + f"\n\nNot set, and so not sent: {', '.join(not_sent)}."


def _journal_row(journal: Journal) -> str:
    place = journal.place
    where = "off: nothing is kept" if place.path is None else code_span(shown_path(place.path))
    if place.path is not None and journal.trouble is not None:
        where += f"; not kept: {code_span(str(journal.trouble))}"
    return f"| journal | {where} | {place.source} |"


def usage_page(spent: dict[str, Spent]) -> str:
    """Tokens per conversation and in all; nothing is estimated."""
    if not spent:
        return "No replies yet."
    rows = ["| conversation | replies | prompt tokens | completion tokens |", "| --- | --- | --- | --- |"]
    total = Spent()
    for name, one in spent.items():
        rows.append(f"| {name} | {one.replies} | {one.prompt_tokens:,} | {one.completion_tokens:,} |")
        total = Spent(
            total.replies + one.replies,
            total.told + one.told,
            total.prompt_tokens + one.prompt_tokens,
            total.completion_tokens + one.completion_tokens,
        )
    if len(spent) > 1:
        rows.append(f"| **in all** | {total.replies} | {total.prompt_tokens:,} | {total.completion_tokens:,} |")
    page = "\n".join(rows)
    if total.told < total.replies:
        untold = counted(total.replies - total.told, "reply", "replies")
        page += f"\n\nFor {untold} the server told no usage; nothing is guessed."
    return page


def dry_run_page(plan: Plan) -> str:
    """Exactly what would be sent."""
    where = plan.target.base_url and f"POST {plan.target.shown_url.rstrip('/')}/chat/completions"
    body = json.dumps(plan.request(plan.model_name).body(), indent=2, ensure_ascii=False)
    fence = "`" * (max((len(run) for run in re.findall("`+", body)), default=2) + 1)
    return (
        f"Nothing is sent. It would go to {code_span(where or plan.target.shown_url)}:\n\n{fence}json\n{body}\n{fence}"
    )


def history_page(conversation: Conversation) -> str:
    """The turns of the current branch, numbered."""
    system = f" · system prompt: {code_span(conversation.system)}" if conversation.system else ""
    title = f"**{conversation.name}**{system}"
    turns = conversation.path()
    if not turns:
        return f"{title}: no turns yet."
    return "\n\n".join([title, *(_turn_page(number, turn) for number, turn in enumerate(turns, 1))])


def _turn_page(number: int, turn: Turn) -> str:
    # Written anew, each text is complete in itself: a fence that an interrupted reply left open ends with it.
    from llmvision_magic.rendering import safe_markdown

    prompt, text = safe_markdown(_text_of(turn.prompt)), safe_markdown(turn.text)
    state = "" if turn.status == "complete" else f"\n\n*{turn.status}* {turn.reason}"
    return f"---\n\n**{number} · you**\n\n{prompt}\n\n**{turn.model or 'model'}**\n\n{text}{state}"


def _text_of(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part.get("text", "*(an image)*")) for part in content)


def shown_setting(name: str, value: object) -> str:
    """A setting's value, for a table. An address is shown without user name and password."""
    return code_span(shown_address(str(value)) if name == "base_url" else value)


def code_span(value: object) -> str:
    """A value as a code span that fits into a table cell; "" for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split()).replace("|", "\\|")
    if len(text) > 120:
        text = text[:119] + "…"
    ticks = "`" if "`" not in text else "```"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
