"""Settings: each declared once, where its value comes from, the API key, and what was meant by a mistyped name."""
