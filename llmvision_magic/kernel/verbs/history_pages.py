"""Pages of ours that show a conversation: its current branch, and all its branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmvision_magic.kernel.markdown import code_span, counted, first_words, shown_prompt

if TYPE_CHECKING:
    from llmvision_magic.conversation import Conversation, Turn


def history_page(conversation: Conversation, context_tokens: int | None) -> str:
    """The turns of the current branch, numbered, with what is not sent and why.

    Args:
        context_tokens: Size of the model's context, in tokens, where it is known.
    """
    system = f" · system prompt: {code_span(conversation.system)}" if conversation.system else ""
    title = f"**{conversation.name}**{system}"
    turns = conversation.path()
    elsewhere = len(conversation.turns) - len(turns)
    others = f"{counted(elsewhere, 'turn')} on other branches: `%chat history {conversation.name} --tree`"
    if not turns:
        return f"{title}: no turns yet." + (f"\n\n{others}" if elsewhere else "")
    parts = [title, *(_turn_page(number, turn) for number, turn in enumerate(turns, 1))]
    notes = [*_left_out(turns, context_tokens), *([others] if elsewhere else [])]
    if not turns[-1].is_blank and turns[-1].status != "partial" and not turns[-1].is_whole:
        notes.insert(0, "`%chat continue` goes on with the last reply.")
    return "\n\n".join([*parts, *(["---", *notes] if notes else [])])


def _left_out(turns: list[Turn], context_tokens: int | None) -> list[str]:
    """Which of the oldest turns did not go with the last prompt, in words."""
    left_out = turns[-1].left_out
    if not left_out:
        return []
    sent = [number for number, turn in enumerate(turns[:-1], 1) if not turn.is_blank and not turn.excluded][:left_out]
    if not sent:  # what a file says need not fit what is here
        return []
    which = f"turn {sent[0]} was" if len(sent) == 1 else f"turns {sent[0]} to {sent[-1]} were"
    size = f" of {context_tokens:,} tokens" if context_tokens else ""
    return [f"The last prompt went without the oldest: {which} not sent, for the model's context{size} was full."]


def _turn_page(number: int, turn: Turn) -> str:
    # Written anew, each text is complete in itself: a fence that an interrupted reply left open ends with it.
    from llmvision_magic.rendering import safe_markdown

    prompt, text = safe_markdown(shown_prompt(turn.prompt)), safe_markdown(turn.text)
    parts = ["---", f"**{number} · you**", prompt, f"**{turn.model or 'model'}**", text, *_marks(turn)]
    return "\n\n".join(part for part in parts if part)


def _marks(turn: Turn) -> list[str]:
    """How the reply stands, where it does not stand as a reader would think."""
    if turn.status == "partial":
        return [f"*still arriving* {turn.reason}".rstrip()]
    marks = [f"*{turn.status}*"] if turn.status != "complete" else []
    marks += [turn.reason] if turn.reason else []
    marks += ["*Not sent along: it has no text.*"] if turn.is_blank else []
    marks += ["*Not sent along: left out in the panel.*"] if turn.excluded else []
    return [" ".join(marks)] if marks else []


def tree_page(conversation: Conversation) -> str:
    """All branches: numbers, ids and first words of the turns, and where the head is."""
    if not conversation.turns:
        return f"**{conversation.name}**: no turns yet."
    rows = "\n".join(_tree_rows(conversation))
    way = f"`%chat use {conversation.name}@ID` goes to a turn; the next prompt follows it."
    return f"**{conversation.name}**\n\n````text\n{rows}\n````\n\n{way}"


def _tree_rows(conversation: Conversation) -> list[str]:
    """A row for each turn. A branch that was left stands indented before the turns that took its place."""
    followers: dict[str | None, list[Turn]] = {}
    for turn in conversation.turns.values():
        followers.setdefault(turn.parent, []).append(turn)
    current = {turn.id for turn in conversation.path()}
    rows = []
    # Not by recursion: a conversation may have thousands of turns.
    waiting = _in_order(followers.get(None, []), current, "", 1)
    while waiting:
        turn, lead, depth, follows = waiting.pop()
        rows.append(f"{lead}{_tree_row(conversation, turn, depth)}")
        waiting += _in_order(followers.get(turn.id, []), current, follows, depth + 1)
    return rows


def _in_order(turns: list[Turn], current: set[str], lead: str, depth: int) -> list[tuple[Turn, str, int, str]]:
    """Siblings as they are to be taken from the end: the left ones first, the current or newest one last."""
    ordered = sorted(turns, key=lambda turn: turn.id in current)
    rows = [(turn, f"{lead}├─ ", depth, f"{lead}│  ") for turn in ordered[:-1]]
    rows += [(turn, lead, depth, lead) for turn in ordered[-1:]]
    return rows[::-1]


def _tree_row(conversation: Conversation, turn: Turn, depth: int) -> str:
    state = "" if turn.status == "complete" else f"  ({'arriving' if turn.status == 'partial' else turn.status})"
    here = "  ← here" if turn.id == conversation.head else ""
    return f"{depth}  {conversation.short_id(turn.id)}  {first_words(turn.prompt)}{state}{here}"
