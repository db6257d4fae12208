"""``%chat VERB``: the verbs, declared once, what each does, and the pages they show."""
