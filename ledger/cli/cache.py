"""The commands for the local caches: pages of distant stores, and files that are mapped into memory."""

import re
import sys

import click

from ledger.cli.printing import print_fields, print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.lookup import write_cache_limit
from ledger.wording import counted, human_size, shown

# In ASCII, as K is also the sign of kelvins.
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)(B?)", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size(text: str) -> int:
    """The bytes of a size such as ``500000``, ``500MB`` or ``20GiB``; only units like ``MB`` count in thousands.

    A function, because click's class for types says what it converts to in newer releases only.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no size; write it like 20GiB")
    count, unit, binary, in_bytes = match.groups()
    number = float(count) * (1000 if in_bytes and not binary else 1024) ** _POWERS[unit.upper()]
    if number > sys.maxsize:
        raise click.BadParameter(f"{shown(text)} is more than any disk holds; with 0 nothing is kept")
    if 0 < number < 1:  # a unit was forgotten: taken for 0, it would switch the caches off
        raise click.BadParameter(f"{shown(text)} is less than a byte; write it like 0.5GiB, or 0 to keep nothing")
    return int(number)


@click.group(short_help="Show, clear or limit what is kept on this machine.")
def cache() -> None:
    """Show, clear or limit what this machine keeps of distant stores, and its mapped files."""


@cache.command("show", cls=ExampleCommand, example="ledger cache show")
@json_option
@pass_session
def show(session: Session) -> None:
    """Show where the cache is. Also shows what it holds and may hold, and what this ledger's mapped files take."""
    opened = session.ledger()
    kept, mapped = opened.cache, opened.mapped
    usage, copies = kept.usage(), mapped.usage()
    if session.json:
        of_copies = {"path": str(mapped.folder), **copies._asdict()}
        print_json({"path": str(kept.folder), "limit": kept.limit, **usage._asdict(), "mapped": of_copies})
    else:
        fields = {
            "path": str(kept.folder),
            "limit": human_size(kept.limit) if kept.limit else "no cache",
            "size": human_size(usage.size),
            "files": usage.files,
            "mapped": f"{human_size(copies.size)} in {counted(copies.files, 'file')}",
        }
        print_fields(fields.items())


@cache.command("clear", cls=ExampleCommand, example="ledger cache clear")
@json_option
@pass_session
def clear(session: Session) -> None:
    """Delete the cache and this ledger's mapped files. What is needed again is fetched or made again."""
    opened = session.ledger()
    dropped, copies = opened.cache.clear(), opened.mapped.clear()
    if session.json:
        print_json({**dropped._asdict(), "mapped": copies._asdict()})
    else:
        print_line(f"deleted {human_size(dropped.size)} in {counted(dropped.files, 'file')}")
        print_line(f"deleted {human_size(copies.size)} in {counted(copies.files, 'mapped file')}")


@cache.command("limit", cls=ExampleCommand, example="ledger cache limit 50GiB")
@click.argument("size", type=size)
@json_option
@pass_session
def limit(session: Session, size: int) -> None:
    """Set how much this ledger may keep. SIZE is like 50GiB or 500MB; 0 keeps nothing.

    The limit applies to what comes from distant stores and, separately, to mapped files.
    """
    write_cache_limit(session.reader().path, size)
    opened = session.ledger()  # with the new limit
    opened.cache.trim()
    opened.mapped.trim()
    if session.json:
        print_json({"limit": size})
    else:
        each = human_size(size)
        print_line(
            f"at most {each} of distant stores and {each} of mapped files are kept" if size else "nothing is kept"
        )
