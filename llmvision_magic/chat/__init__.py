"""The life of a prompt: planned, sent, its reply read and shown, and both kept in a conversation."""
