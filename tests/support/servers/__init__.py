"""Real servers the tests talk to. They run as child processes; nothing here is patched into the package."""
