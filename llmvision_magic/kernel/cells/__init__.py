"""How a cell asks: the options of its line, and what becomes of its prompt."""
