"""The commands and what happens around each: usage errors, coded errors, interruption, one JSON object."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from flyball.cli.answer import Answer, show, show_error
from flyball.cli.commands import (
    alerts,
    audit,
    compare,
    console,
    diff,
    error,
    exchange,
    explain,
    features,
    init,
    keys,
    predict,
    promote,
    runs,
    serve,
    served,
    server,
    slices,
    status,
    store,
    track,
    upkeep,
    watch,
    webhooks,
)
from flyball.cli.commands import run as run_command
from flyball.cli.telling import CHANGING, tell_webhooks
from flyball.core.progress import Cancelled
from flyball.core.version import __version__
from flyball_runtime.errors import BadInput, FlyballError, InternalError

__all__ = ["BadUsage", "SystemRefused", "UnexpectedFailure", "app", "run"]

COMMANDS: dict[str, App | Callable[..., Any]] = {
    "init": init.init,
    "run": run_command.run,
    "promote": promote.promote,
    "serve": serve.serve,
    "server": server.server,
    "track": track.app,
    "runs": runs.runs,
    "predict": predict.predict,
    "explain": explain.explain,
    "features": features.features,
    "slices": slices.slices,
    "compare": compare.compare,
    "diff": diff.diff,
    "watch": watch.watch,
    "alerts": alerts.app,
    "webhooks": webhooks.app,
    "served": served.served,
    "status": status.status,
    "console": console.console,
    "audit": audit.app,
    "keys": keys.app,
    "doctor": upkeep.doctor,
    "backup": upkeep.backup,
    "restore": upkeep.restore,
    "clean": upkeep.clean,
    "store": store.app,
    "import": exchange.import_app,
    "export": exchange.export_app,
    "debug-bundle": upkeep.debug_bundle,
    "error": error.error,
}

app = App(
    name="flyball",
    version=__version__,
    help="The governor for machine-learning models: make, prove, gate, ship, watch and audit them in one loop.\n\n"
    "Begin with: flyball init NAME --from TABLE --target COLUMN, then: flyball run",
    help_epilogue="Every command takes --json (one object on standard output) and --help, which shows examples. "
    "Exit codes: 0 done, 1 refused by a gate or check, 2 bad input or usage, 3 internal error, 130 interrupted.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)
for _place, (_name, _command) in enumerate(COMMANDS.items()):
    if isinstance(_command, App):
        _command.sort_key = _place
        app.command(_command, name=_name)
    else:
        app.command(_command, name=_name, sort_key=_place)


class BadUsage(BadInput):
    """The command line was not understood: an unknown command or option, a missing or malformed argument."""

    code = "FB-CLI-001"


class SystemRefused(BadInput):
    """The operating system refused a file or a folder: not allowed, not there, a name too long, no space left."""

    code = "FB-CLI-003"


class UnexpectedFailure(InternalError):
    """Flyball failed in a way it does not know. What was stored before is intact; please report the details."""

    code = "FB-CLI-002"


def run(arguments: list[str]) -> int:
    """Run one command line; print its answer or its error; return the exit code."""
    code = _run(arguments)
    if arguments and arguments[0] in CHANGING and code in (0, 1) and "--help" not in arguments:
        folders = [Path(after) for word, after in pairwise(arguments) if word == "--dir"]
        folders += [Path(word.removeprefix("--dir=")) for word in arguments if word.startswith("--dir=")]
        tell_webhooks(folders[-1] if folders else None)
    return code


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        if not arguments:
            app.help_print([])
            return 0
        answer = app(arguments, exit_on_error=False, print_error=False)
        if isinstance(answer, Answer):
            show(answer, as_json=as_json)
            return answer.exit_code
        return 0
    except CycloptsError as error:
        show_error(_usage(error, arguments), as_json=as_json)
        return BadUsage.exit_code
    except FlyballError as error:
        show_error(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        interrupted = Cancelled("interrupted", fix="run the command again: finished steps are kept and reused")
        show_error(interrupted, as_json=as_json)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("FLYBALL_DEBUG"):
            raise
        coded = _refused_by_system(error) if _names_a_file(error) else _unexpected(error, arguments)
        show_error(coded, as_json=as_json)
        return coded.exit_code


def _usage(error: CycloptsError, arguments: list[str]) -> BadUsage:
    command = next((word for word in arguments if word in COMMANDS), "")
    shown = _example(command) if isinstance(error, MissingArgumentError) else None
    return BadUsage(
        " ".join(str(error).split()) or "the command line was not understood",
        where="flyball " + " ".join(arguments),
        fix=(f"write it like this: {shown}; more: " if shown else "") + f"flyball {command} --help".replace("  ", " "),
    )


def _example(command: str) -> str | None:
    """The first example of a command's own help; None for a group of commands."""
    made = COMMANDS.get(command)
    lines = (
        [] if made is None or isinstance(made, App) else [line.strip() for line in (made.__doc__ or "").splitlines()]
    )
    return next((line for line in lines if line.startswith(f"flyball {command} ")), None)


def _names_a_file(error: Exception) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and (error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT))


def _refused_by_system(error: OSError) -> SystemRefused:
    name = str(error.filename or "")
    return SystemRefused(
        "the operating system refused a file or folder",
        where=name if len(name) <= 200 else name[:200] + "…",
        why=error.strerror or str(error),
        fix="check its name, that it is there, that it may be read or written, and that the disk has space left",
    )


def _unexpected(error: Exception, arguments: list[str]) -> UnexpectedFailure:
    import traceback

    from flyball.config import STATE_FOLDER
    from flyball.core.clock import SystemClock
    from flyball.core.errorlog import note_error

    places = [Path(after) for word, after in pairwise(arguments) if word == "--dir"] or [
        Path.cwd(),
        *Path.cwd().parents,
    ]
    state = next((place / STATE_FOLDER for place in places if (place / STATE_FOLDER).is_dir()), None)
    if state is not None:
        note_error(state, error, next((word for word in arguments if word in COMMANDS), ""), SystemClock())
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return UnexpectedFailure(
        f"unexpected {type(error).__name__}: {error}",
        where=f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}",
        fix="run it again with FLYBALL_DEBUG=1 and report what it prints, with what `flyball debug-bundle` collects",
    )
