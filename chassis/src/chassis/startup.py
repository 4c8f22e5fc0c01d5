"""The error that ends a program before it has started."""


class StartupError(Exception):
    """The program can't start; its text is one sentence that says why and what to do."""
