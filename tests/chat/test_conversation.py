"""The conversation as a tree: what is in it, where it stands, what is sent."""

from __future__ import annotations

import pytest

from llmvision_magic.conversation import Conversation
from llmvision_magic.errors import InvalidInput
from llmvision_magic.messages import Message, Reply, Usage


def asked(conversation: Conversation, prompt: str, text: str = "an answer", cell: str | None = None, **reply: object):
    """Ask and settle at once."""
    fallback = conversation.head
    parent, _ = conversation.parent_for_cell(cell)
    turn = conversation.begin(prompt, parent=parent, cell=cell)
    return conversation.settle(turn.id, Reply(text, **reply), fallback)


def test_turn_is_in_history_marked_partial_before_any_text():
    """A turn that has begun is seen at once."""
    conversation = Conversation()
    turn = conversation.begin("Hello", parent=None)
    assert [(one.prompt, one.status, one.text) for one in conversation.path()] == [("Hello", "partial", "")]
    assert conversation.head == turn.id


def test_settled_turn_keeps_what_the_server_said():
    """Text, model, finish reason and usage are the reply's."""
    conversation = Conversation()
    turn = asked(conversation, "Hello", "Hi", model="m", finish_reason="stop", usage=Usage(1, 2, 3))
    assert conversation.path() == [turn]
    assert (turn.status, turn.text, turn.model, turn.finish_reason, turn.usage) == (
        "complete",
        "Hi",
        "m",
        "stop",
        Usage(1, 2, 3),
    )


def test_failed_turn_without_text_leaves_the_history_as_it_was():
    """The next prompt follows the turn before; the failed one stays in the tree."""
    conversation = Conversation()
    first = asked(conversation, "one")
    failed = asked(conversation, "two", "", status="failed", notice="no")
    assert conversation.path() == [first]
    assert conversation.turns[failed.id].status == "failed"


def test_failed_first_turn_leaves_an_empty_history():
    """There is nothing to go back to, and nothing is sent of it."""
    conversation = Conversation()
    asked(conversation, "one", "", status="failed")
    assert conversation.path() == []
    assert conversation.messages("two", system=None, before=conversation.head) == (Message("user", "two"),)


def test_interrupted_reply_stays_in_history_and_is_sent():
    """What had arrived is part of what was said."""
    conversation = Conversation()
    asked(conversation, "one", "half an ans", status="interrupted")
    sent = conversation.messages("go on", system=None, before=conversation.head)
    assert sent == (Message("user", "one"), Message("assistant", "half an ans"), Message("user", "go on"))


def test_empty_reply_is_no_message():
    """Servers refuse an empty assistant message; a complete turn without text is kept and not sent."""
    conversation = Conversation()
    asked(conversation, "one", "")
    assert len(conversation.path()) == 1
    assert conversation.messages("two", system=None, before=conversation.head) == (Message("user", "two"),)


def test_same_cell_again_makes_a_sibling_and_keeps_the_old_branch():
    """Running a cell again replaces its turn; the old one and its followers stay in the tree."""
    conversation = Conversation()
    first = asked(conversation, "one", cell="a")
    second = asked(conversation, "two", cell="b")
    third = asked(conversation, "three", cell="c")
    assert conversation.parent_for_cell("b") == (first.id, 1)
    again = asked(conversation, "two, again", cell="b")
    assert again.parent == second.parent == first.id
    assert conversation.path() == [first, again]
    assert {second.id, third.id} <= set(conversation.turns)


def test_same_cell_first_in_the_conversation_is_replaced_too():
    """The sibling of a first turn is a first turn."""
    conversation = Conversation()
    asked(conversation, "one", cell="a")
    again = asked(conversation, "one again", cell="a")
    assert again.parent is None
    assert conversation.path() == [again]


def test_rerun_that_fails_goes_back_to_the_branch_that_was():
    """A failed attempt to ask again loses nothing."""
    conversation = Conversation()
    first = asked(conversation, "one", cell="a")
    second = asked(conversation, "two", cell="b")
    asked(conversation, "one again", "", cell="a", status="failed")
    assert conversation.path() == [first, second]


def test_the_same_question_twice_is_two_turns():
    """Without a cell's id each asking is its own."""
    conversation = Conversation()
    asked(conversation, "again?")
    asked(conversation, "again?")
    assert len(conversation.path()) == 2


def test_oldest_turns_are_left_out_and_never_the_system_prompt():
    """Whole turns go, oldest first."""
    conversation = Conversation()
    asked(conversation, "one", "1")
    asked(conversation, "two", "2")
    sent = conversation.messages("three", system="Be kind.", before=conversation.head, leave_out=1)
    assert [(message.role, message.content) for message in sent] == [
        ("system", "Be kind."),
        ("user", "two"),
        ("assistant", "2"),
        ("user", "three"),
    ]


def test_two_askings_of_one_run_are_two_turns_and_a_second_run_replaces_them():
    """A loop in a cell does not replace its own turns."""
    conversation = Conversation()
    for execution in ("1", "2"):
        for prompt in ("a", "b"):
            parent, _ = conversation.parent_for_cell("cell", execution)
            turn = conversation.begin(prompt, parent=parent, cell="cell", execution=execution)
            conversation.settle(turn.id, Reply("x"), None)
    assert [(turn.prompt, turn.execution) for turn in conversation.path()] == [("a", "2"), ("b", "2")]
    assert len(conversation.turns) == 4


def test_turn_is_meant_by_its_number_or_by_its_short_id():
    """A short id is never taken for a number; one that means several, or none, is refused."""
    conversation = Conversation()
    turns = [asked(conversation, str(number)) for number in range(300)]
    assert conversation.turn_at("2") == turns[1]
    for turn in turns:
        short = conversation.short_id(turn.id)
        assert not short.isdecimal()
        assert conversation.turn_at(short) == turn
    for wrong in ("0", "301", "", "zz"):
        with pytest.raises(InvalidInput, match="1 to 300"):
            conversation.turn_at(wrong)
    letter = next(one.id[0] for one in turns if one.id[0].isalpha())
    with pytest.raises(InvalidInput, match="Several"):
        conversation.turn_at(letter)


def test_place_of_a_turn_on_another_branch():
    """It counts what of the current branch stays behind."""
    conversation = Conversation()
    first = asked(conversation, "one")
    left = asked(conversation, "two")
    conversation.go_to(first.id)
    asked(conversation, "other")
    asked(conversation, "more")
    assert conversation.parent_when_replacing(left) == (first.id, 2)
    assert conversation.parent_when_replacing(first) == (None, 2)


def test_unfinished_reply_is_the_last_message_when_it_goes_on():
    """Servers go on after it."""
    conversation = Conversation()
    sent = conversation.messages("one", system="Be kind.", before=None, begun="half")
    assert [message.role for message in sent] == ["system", "user", "assistant"]
