"""The command `incamera`. Every subcommand imports what it needs when it runs, so that an edge needs no server package.

Exit status: 0 done, 1 refused with one clear sentence on standard error, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from incamera import __version__
from incamera.kit.errors import IncameraError

_PASSED_ON = {
    "edge": "run the program beside the cameras",
    "privacy": "render the notice, the record of processing, or the difference between versions",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in _PASSED_ON:
            return _pass_on(given[0], given[1:])
        options = _parser().parse_args(given)
        return int(options.run(options))
    except IncameraError as error:
        print(f"incamera: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"incamera: {error.strerror or error}{place}; nothing more was done.", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        extra = "edge" if given[:1] == ["edge"] else "server"
        print(
            f"incamera: {error.name} is not installed; install it with: pip install 'incamera[{extra}]'",
            file=sys.stderr,
        )
        return 1


def _pass_on(command: str, arguments: list[str]) -> int:
    """`edge` imports nothing of the server; `privacy` reads its own options."""
    if command == "edge":
        from incamera.edge.main import main as edge_main

        return int(edge_main(arguments))
    from incamera.app import privacy_command

    return privacy_command(arguments, print)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="incamera", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=f"incamera {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_care(commands)
    for name, purpose in _PASSED_ON.items():
        commands.add_parser(name, help=purpose, add_help=False)
    openapi = commands.add_parser("openapi", help="print the description of the API")
    openapi.set_defaults(run=_openapi)
    return parser


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description="Runs the server. Each option is also a variable INCAMERA_NAME; see docs/reference/settings.md.",
    )
    _add_settings(serve)
    serve.add_argument("--port", metavar="N", help="TCP port; 0 takes a free one")
    serve.add_argument("--host", metavar="ADDRESS", help="address to listen on; localhost by default")
    serve.add_argument("--public-url", metavar="URL", help="the address people type, if it is another")
    serve.add_argument("--tls-cert", metavar="FILE", help="certificate chain (PEM)")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key (PEM, mode 0600)")
    serve.add_argument("--own-ca", action="store_true", default=None, help="make and use a local certificate authority")
    serve.add_argument("--behind-proxy", metavar="ADDRESS", help="proxies that may connect, separated by commas")
    serve.add_argument(
        "--no-edge", dest="edge", action="store_false", default=None, help="start no edge on this machine"
    )
    serve.add_argument("--edge-files", metavar="DIR", help="videos below this folder may be played as cameras")
    serve.add_argument("--edge-device", metavar="NAME", help="cameras of this machine, such as /dev/video0, by commas")
    serve.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")
    serve.set_defaults(run=_serve)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="the data directory")
    parser.add_argument("--database", metavar="URL", help="PostgreSQL instead of SQLite in the data directory")
    parser.add_argument(
        "--root-key-file", metavar="FILE", help="where the root key is kept, outside the data directory"
    )
    parser.add_argument(
        "--ledger-file", metavar="FILE", help="where the list of destroyed keys is kept, apart from backups"
    )
    parser.add_argument("--privacy-file", metavar="FILE", help="the operator's facts for the privacy notice")


def _add_care(commands: Any) -> None:
    check = commands.add_parser("check", help="verify data directory, databases, keys, recordings and declarations")
    _add_settings(check)
    check.add_argument("--deep", action="store_true", help="also open every record of every recording")
    check.set_defaults(run=_check)
    backup = commands.add_parser("backup", help="write a sealed backup; the server may be running")
    _add_settings(backup)
    backup.add_argument("--to", metavar="PLACE", help="folder or s3://BUCKET to write it into; DATA/backups by default")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="fill an empty data directory from a backup")
    _add_settings(restore)
    restore.add_argument(
        "--from", dest="source", metavar="DIR", required=True, help="a backup made by `incamera backup`"
    )
    restore.add_argument("--keys", metavar="FILE", help="its key part, if that is kept elsewhere")
    restore.add_argument(
        "--accept-lost-ledger",
        action="store_true",
        help="go on without the list of destroyed keys: erased data of the backup becomes readable again",
    )
    restore.add_argument(
        "--without-media", action="store_true", help="the recordings are lost: forget what the backup knows of them"
    )
    restore.set_defaults(run=_restore)


_NOT_SETTINGS = frozenset({"command", "run", "to", "source", "keys", "accept_lost_ledger", "without_media", "deep"})


def _settings(options: argparse.Namespace) -> Any:
    from incamera.config import load_settings

    return load_settings({name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS})


def _say(line: str) -> None:
    print(line, flush=True)


def _serve(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from incamera.app import serve

    return serve(settings, _say)


def _check(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from incamera.app import check_declarations
    from incamera.maintenance import check

    return check(settings, check_declarations, _say, reads_everything=options.deep)


def _backup(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from incamera.maintenance import backup

    return backup(settings, options.to, _say)


def _restore(options: argparse.Namespace) -> int:
    settings = _settings(options)
    from incamera.maintenance import RestoreOptions, restore

    keys = Path(options.keys) if options.keys else None
    choices = RestoreOptions(keys, options.accept_lost_ledger, options.without_media)
    return restore(settings, options.source, choices, _say)


def _openapi(_options: argparse.Namespace) -> int:
    from incamera.app import render_openapi

    print(render_openapi())
    return 0


if __name__ == "__main__":
    sys.exit(main())
