"""Command line of a Glue script -> its named arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn


class GlueArgumentError(Exception):
    """A required argument is missing."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, str]:
    """Return the values of ``options`` in ``args``; other arguments are ignored.

    Parameters
    ----------
    args
        ``sys.argv``: the script, then ``--name value`` or ``--name=value`` pairs.
    options
        Names without dashes; all are required.

    >>> getResolvedOptions(["job.py", "--JOB_NAME", "daily", "--day=2013-01-01", "--other", "1"], ["day"])
    {'JOB_NAME': 'daily', 'day': '2013-01-01'}
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    # As in Glue, the job's name is part of the answer whenever it was given.
    parser.add_argument("--JOB_NAME", required="JOB_NAME" in options, default=argparse.SUPPRESS)
    for option in options:
        if option != "JOB_NAME":
            parser.add_argument(f"--{option}", required=True)
    found = vars(parser.parse_known_args(list(args[1:]))[0])
    return {name: found[name] for name in ("JOB_NAME", *options) if name in found}
