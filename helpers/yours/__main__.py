"""`python -m helpers.yours my-songs`: see `--help`, and `make yours`."""

from __future__ import annotations

from helpers import interrupts

if __name__ == "__main__":
    interrupts.ignore_tracebacks()

import argparse
import sys
from pathlib import Path

from helpers.yours.command import PAGE, SCRATCH, Options, run


def main(arguments: list[str] | None = None) -> int:
    """The command.

    Args:
        arguments: of the command line; those of this process if None.

    Returns:
        its exit status: 0; 1 where something cannot be done; 130 after Ctrl-C.

    Notebook: 09-your-songs.
    """
    parser = argparse.ArgumentParser(
        "python -m helpers.yours", description="Train the network of notebook 06 on a folder."
    )
    parser.add_argument("songs", type=Path, help="folder with .krn, .abc, .mid, .mxl and .musicxml files")
    parser.add_argument("--from", dest="base", default="06-lstm", help=f'checkpoint to go on from, or "{SCRATCH}"')
    parser.add_argument("--instrument", help='to keep, and files without it are rejected; "all" for all of them')
    parser.add_argument("--name", default="", help="of the checkpoint; that of the folder by default")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--epochs", type=int, default=0, help="at most; by default what suits the number of songs")
    parser.add_argument("--rate", type=float, default=0.0, help="learning rate at the beginning")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights, the order of songs and dropout")
    options = parser.parse_args(arguments)
    try:
        interrupts.raise_again()
        run(Options(**vars(options)), lambda line: print(line, flush=True))
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"{str(error)[:1].upper()}{str(error)[1:]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped before anything was learned; nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
