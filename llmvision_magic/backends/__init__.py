"""Where replies come from: a server of the Chat Completion API, the embedded model, or a recording."""
