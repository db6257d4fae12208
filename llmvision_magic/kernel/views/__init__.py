"""How a reply is shown: in a notebook, in one output among others, in a terminal."""
