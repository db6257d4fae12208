"""What each verb of ``%chat`` does: ask the session, show a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmvision_magic.backends.target import PLATFORM_URL
from llmvision_magic.chat.conversation_settings import set_value
from llmvision_magic.chat.prices import read_prices
from llmvision_magic.errors import InvalidInput
from llmvision_magic.kernel.cells.option_parsing import parse_cell_options, split_line
from llmvision_magic.kernel.markdown import code_span, counted
from llmvision_magic.kernel.verbs.branch_handlers import BranchHandlers
from llmvision_magic.kernel.verbs.declarations import split_verb
from llmvision_magic.kernel.verbs.help_pages import help_on, help_page
from llmvision_magic.kernel.verbs.pages import shown_setting, status_page, usage_page
from llmvision_magic.kernel.verbs.recording_handlers import RecordingHandlers
from llmvision_magic.kernel.verbs.storage_handlers import StorageHandlers
from llmvision_magic.settings.declarations import setting_named
from llmvision_magic.settings.keys import checked_origin
from llmvision_magic.settings.parsing import parse_value

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation
    from llmvision_magic.stop import Stop

MOST_MODELS = 1_000
"""Models of a server that are listed."""


class VerbHandlers(BranchHandlers, StorageHandlers, RecordingHandlers):
    """The verbs over one session; ``do_NAME`` runs the verb NAME with the rest of its line."""

    def do_status(self, rest: str) -> None:
        _expect_nothing("status", rest)
        conversation = self.session.conversation()
        settings = self.host.settings(conversation)
        self.host.page(status_page(self.session, settings))

    def overview(self) -> None:
        """The status at a glance: what is not as it always is."""
        settings = self.host.settings(self.session.conversation())
        self.host.page(status_page(self.session, settings, is_short=True))

    def do_ask(self, rest: str) -> None:
        if not rest:
            raise InvalidInput("`%chat ask` expects a question on its line: `%chat ask What is a tuple?`")
        self.host.ask(rest)

    def do_stop(self, rest: str) -> None:
        ended = self.host.stop_background(rest)
        self.host.page("\n".join([f"Ended {counted(len(ended), 'reply', 'replies')} in the background:", "", *ended]))

    def do_new(self, rest: str) -> None:
        words = split_line(rest)
        if not words:
            raise InvalidInput("`%chat new` expects a name: `%chat new tutor`.")
        name, *more = words
        if more and (more[0] not in ("-s", "--system", "--persona") or len(more) != 2):
            raise InvalidInput(
                f'`%chat new NAME` takes one option, -s "system prompt" or --persona FILE.md; got {" ".join(more)!r}.'
            )
        if more[:1] == ["--persona"]:
            self._new_from_persona(name, more[1])
            return
        self.session.new(name, more[1] if more else None)
        self.host.page(f"Conversation **{name}** begins here.")

    def _new_from_persona(self, name: str, wanted: str) -> None:
        from llmvision_magic.chat.personas import find_persona, read_persona

        persona = read_persona(find_persona(wanted, self.host.folder))
        conversation = self.session.new(name, persona.system)
        conversation.settings.update(persona.settings)
        set_ = ", ".join(f"{key} {shown_setting(key, value)}" for key, value in persona.settings.items())
        self.host.page(f"Conversation **{name}** begins here, as {code_span(persona.path.name)}{set_ and ': '}{set_}.")

    def do_list(self, rest: str) -> None:
        _expect_nothing("list", rest)
        rows = ["|  | conversation | turns | system prompt |", "| --- | --- | --- | --- |"]
        for conversation in self.session.conversations.values():
            here = "→" if conversation.name == self.session.current else ""
            rows.append(
                f"| {here} | {conversation.name} | {len(conversation.path())} | {code_span(conversation.system)} |"
            )
        self.host.page("\n".join(rows))

    def do_drop(self, rest: str) -> None:
        if not rest:
            raise InvalidInput("`%chat drop` expects the name of a conversation; `%chat list` shows them.")
        self.session.drop(rest)
        self.host.page(f"Conversation **{rest}** is forgotten; the conversation is now **{self.session.current}**.")

    def do_system(self, rest: str) -> None:
        conversation = self.session.conversation()
        if rest:
            conversation.system = _unquoted(rest) or None
        if conversation.system:
            self.host.page(f"System prompt of **{conversation.name}**: {code_span(conversation.system)}")
        else:
            self.host.page(f"Conversation **{conversation.name}** has no system prompt.")

    def do_set(self, rest: str) -> None:
        conversation = self.session.conversation()
        if rest:
            key, _, text = rest.partition(" ")
            if not text.strip():
                self._show_setting(conversation, setting_named(key).name)
                return
            self._set(conversation, key, text.strip())
        shown = [f"| {key} | {shown_setting(key, value)} |" for key, value in conversation.settings.items()]
        if shown:
            self.host.page("\n".join([f"| set for {conversation.name} | value |", "| --- | --- |", *shown]))
        else:
            self.host.page(f"Nothing is set for **{conversation.name}**; `%chat set KEY VALUE` sets a value.")

    def _show_setting(self, conversation: Conversation, name: str) -> None:
        """What holds for a setting, and which place gave it."""
        settings = self.host.settings(conversation)
        value, source = settings.find(name)
        if name == "model":
            target = self.session.connections.target(settings)
            value, source = target.model or "the embedded one", target.model_source
        if value in (None, {}, ()):
            self.host.page(f"`{name}` is not set, and so not sent.")
            return
        where = "default" if source == "default" else f"from: {source}"
        self.host.page(f"`{name}`: {shown_setting(name, value)} ({where})")

    def _set(self, conversation: Conversation, key: str, text: str) -> None:
        setting = setting_named(key)
        words = split_line(text) if setting.kind == "texts" and text[0] in "\"'" else []
        value = parse_value(setting, words if len(words) > 1 else _unquoted(text))
        if isinstance(value, dict):
            earlier = conversation.settings.get(setting.name)
            value = earlier | value if isinstance(earlier, dict) else value
        set_value(self.session.connections, conversation, setting.name, value, lambda: self.host.settings(conversation))

    def do_unset(self, rest: str) -> None:
        conversation = self.session.conversation()
        if not rest:
            raise InvalidInput("`%chat unset` expects the name of a setting; `%chat set` shows what is set.")
        setting = setting_named(rest)
        if setting.name not in conversation.settings:
            raise InvalidInput(f"`{setting.name}` is not set for the conversation `{conversation.name}`.")
        del conversation.settings[setting.name]
        self.host.page(f"`{setting.name}` is no longer set for **{conversation.name}**.")

    def do_models(self, rest: str) -> None:
        _expect_nothing("models", rest)
        settings = self.host.settings(self.session.conversation())
        target = self.session.connections.target(settings)
        self.host.ask_for_consent(settings)

        def fetch(stop: Stop) -> list[str]:
            line = self.session.connections.open(target, settings, lambda text: None, stop)
            return line.client.models(stop)

        models = self.host.stopping(fetch)
        assert isinstance(models, list)  # noqa: S101  # what fetch returns
        chosen = target.model
        rows = [f"- {code_span(name)}{' ← in use' if name == chosen else ''}" for name in models[:MOST_MODELS]]
        rows += [f"- and {len(models) - MOST_MODELS:,} more"] if len(models) > MOST_MODELS else []
        self.host.page("\n".join([f"Models at {target.shown_url}:", "", *(rows or ["- none are listed"])]))

    def do_fix(self, rest: str) -> None:
        options = parse_cell_options(rest, "%chat fix")
        if {"attach", "image", "raw", "format", "replace", "background"} & options.said.keys():
            raise InvalidInput(
                "`%chat fix` asks with the cell, its error and its variables, as a turn of its own, and makes a new "
                "cell of the reply; it takes no -a, -i, -f, --raw, --replace and --background."
            )
        self.host.fix(options)

    def do_panel(self, rest: str) -> None:
        words = split_line(rest)
        names = [word for word in words if word != "--side"]
        if len(names) > 1 or (names[:1] and names[0].startswith("-")):
            raise InvalidInput(f"`%chat panel` takes a conversation's name and --side, got {rest!r}.")
        self.host.panel(self.session.conversation(names[0]).name if names else None, len(names) < len(words))

    def do_usage(self, rest: str) -> None:
        _expect_nothing("usage", rest)
        path = self.host.settings(self.session.conversation()).text("prices")
        prices, trouble = None, ""
        try:
            prices = read_prices(Path(path)) if path else None
        except InvalidInput as error:  # the tokens are known all the same
            trouble = f"\n\n{error}"
        self.host.page(usage_page(self.session.spent, prices) + trouble)

    def do_key(self, rest: str) -> None:
        keys = self.session.connections.keys
        server = checked_origin(self.host.settings(self.session.conversation()).text("base_url") or PLATFORM_URL)
        if rest == "forget":
            known = keys.forget(server)
            self.host.page(f"The key for {server} is forgotten." if known else f"No key was kept for {server}.")
            return
        if rest:  # it may be the key: it is not repeated
            raise InvalidInput("`%chat key` takes nothing after it: it asks for the key, so that it stands in no cell.")
        secret = self.host.read_secret(f"API key for {server} (hidden): ")
        self.host.page(f"The key for {server} is kept {keys.keep(secret, server)}.")

    def do_help(self, rest: str) -> None:
        self.host.page(help_on(rest) if rest else help_page(in_terminal=self.host.in_terminal))


def _unquoted(text: str) -> str:
    """The text without a pair of quotes around it, as a shell would read it."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _expect_nothing(verb: str, rest: str) -> None:
    if rest:
        raise InvalidInput(f"`%chat {verb}` takes nothing after it, got {rest!r}.")


def run_verb(handlers: VerbHandlers, line: str) -> None:
    """Run a ``%chat`` line; an empty one shows the status at a glance."""
    if not line.strip():
        handlers.overview()
        return
    verb, rest = split_verb(line)
    method: Callable[[str], None] = getattr(handlers, f"do_{verb.name}")
    method(rest)
