"""Ctrl-C while a command still imports what it needs, which takes seconds where it needs torch."""

import signal


def ignore_tracebacks() -> None:
    """From here on Ctrl-C ends this process without a word; to be called before the other imports.

    Nothing changes where Ctrl-C is ignored already, as in the background of a shell.

    Notebook: none: called by pages/run.py and helpers.yours.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_again() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt again; to be called where that is caught.

    Notebook: none: called by pages/run.py and helpers.yours.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
