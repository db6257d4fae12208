"""The page of ``--dry-run``: exactly what would be sent, how long it is, and a line for another tool."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from llmvision_magic.backends.wire.endpoint import is_azure, shown_endpoint
from llmvision_magic.backends.wire.request import encoded
from llmvision_magic.chat.context_window import size_of
from llmvision_magic.kernel.markdown import code_span, counted
from llmvision_magic.messages import image_count, text_of
from llmvision_magic.prompt.value_text import fenced
from llmvision_magic.rendering.page_bundle import Fold, Part, Quoted
from llmvision_magic.settings.secrets import without_known_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmvision_magic.chat.plan import TurnPlan
    from llmvision_magic.messages import Content

BYTES_A_TOKEN = 4
"""Of English text and code, as a rule of thumb."""

LONGEST_LINE = 8_000
"""Characters of JSON that stand in the line for curl; a longer body goes into a file."""

JSON_TITLE = "The request as JSON"

_DATA = re.compile(r"(data:image/\w+;base64,[A-Za-z0-9+/]{16})([A-Za-z0-9+/=]{16,})")


def dry_run_page(plan: TurnPlan) -> list[Part]:
    """Exactly what would be sent: each message as it reads, and on demand all of it as JSON.

    Of an image's base64 only the beginning is shown, and how much more there is.
    """
    body = plan.request(plan.model_name).body()
    body["model"] = without_known_secrets(plan.model_name)
    json_text = fenced(_DATA.sub(_shortened, json.dumps(body, indent=2, ensure_ascii=False)), "json")
    curl = _curl(plan, encoded(body).decode())
    return [
        _beginning(plan, body),
        *(Quoted(message.role, _as_it_reads(message.content)) for message in plan.messages()),
        _size(plan),
        *([f"Of the prompt: {'; '.join(plan.ask.notes)}."] if plan.ask.notes else []),
        Fold(JSON_TITLE, json_text, f"{JSON_TITLE}:\n\n{json_text}"),
        Fold("The same with curl", curl.removeprefix("The same with curl:\n\n"), curl) if "```" in curl else curl,
        *([_headers(plan)] if plan.target.headers else []),
    ]


def dry_run_text(plan: TurnPlan) -> str:
    """The same for a terminal, as plain text that can be copied; the JSON is had by its own option."""
    texts = []
    for part in dry_run_page(plan):
        if isinstance(part, Quoted):
            texts.append(f"── {part.head}\n{part.text}")
        elif isinstance(part, Fold) and part.title == JSON_TITLE:
            texts.append("`--dry-run -o request` binds the JSON of the request.")
        else:
            texts.append(part if isinstance(part, str) else part.unfolded)
    return "\n\n".join(texts)


def _beginning(plan: TurnPlan, body: dict[str, object]) -> str:
    """Where it would go, and with what beside the messages."""
    where = plan.target.base_url and f"POST {_address(plan)}"
    others = [f"`{name}` {code_span(value)}" for name, value in body.items() if name != "messages"]
    return (
        f"Nothing is sent. It would go to {code_span(where or plan.target.shown_url)}, with {', '.join(others)}, and "
        f"{counted(len(plan.messages()), 'message')}:"
    )


def _as_it_reads(content: Content) -> str:
    """A message's text; of an image, what it is."""
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part.get("text")) if part.get("type") == "text" else _image(part) for part in content)


def _image(part: Mapping[str, object]) -> str:
    found = re.search(r"data:(image/\w+);base64,([A-Za-z0-9+/=]*)", json.dumps(part))
    return f"[an image: {found[1]}, {len(found[2]) * 3 // 4:,} bytes]" if found else "[an image]"


def json_of(plan: TurnPlan) -> str:
    """All of what would be sent."""
    return encoded(plan.request(plan.model_name).body()).decode()


def _address(plan: TurnPlan) -> str:
    return shown_endpoint(str(plan.target.base_url))


def _shortened(match: re.Match[str]) -> str:
    return f"{match[1]}… {len(match[2]):,} more characters of base64"


def _size(plan: TurnPlan) -> str:
    messages = plan.messages()
    images = sum(image_count(message.content) for message in messages)
    text = sum(size_of(text_of(message.content)) for message in messages)
    tokens = -(-text // BYTES_A_TOKEN)
    besides = f", and {counted(images, 'image')} that each model counts its own way" if images else ""
    return (
        f"About {tokens:,} {_noun(tokens, 'token')} of text{besides}. This is an estimate from the "
        f"text's {text:,} {_noun(text, 'byte')}, at {BYTES_A_TOKEN} bytes a token; only the server counts exactly."
    )


def _noun(number: int, one: str) -> str:
    return one if number == 1 else f"{one}s"


def _curl(plan: TurnPlan, body: str) -> str:
    if plan.target.base_url is None:
        return "There is no line for curl: the embedded model has no address before it starts."
    key = ' -H "Authorization: Bearer $LLMVISION_API_KEY"' if plan.target.key else ""
    if plan.target.key and is_azure(plan.target.base_url):
        key += ' -H "api-key: $LLMVISION_API_KEY"'
    key += "".join(f' -H "{name}: ${_variable(name)}"' for name in plan.target.headers)
    start = f"curl -N {_quoted(_address(plan))}{key} -H 'Content-Type: application/json' "
    if len(body) > LONGEST_LINE or _DATA.search(body):
        line = f"{start}-d @request.json"
        return (
            "The same with curl, when the JSON is in `request.json`: `--dry-run -o request` binds the whole of it, and "
            "`open('request.json', 'w', encoding='utf-8').write(request)` writes it.\n\n" + fenced(line, "bash")
        )
    return f"The same with curl:\n\n{fenced(start + '-d ' + _quoted(body), 'bash')}"


def _headers(plan: TurnPlan) -> str:
    names = ", ".join(code_span(name) for name in plan.target.headers)
    return f"Sent besides, with values that are not shown: {names}. For curl they are variables of the shell."


def _variable(name: str) -> str:
    """A variable of the shell for a header's value."""
    return re.sub(r"\W", "_", name.upper())


def _quoted(text: str) -> str:
    """A word for a shell, as it is."""
    return "'" + text.replace("'", "'\\''") + "'"
