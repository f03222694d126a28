"""Commands about syncs and roles, for scripts and for whoever has no Slack at hand. They act as the operator."""

import math
import re
import time
import weakref
from typing import Annotated, Any
from uuid import uuid4

import typer

from core.errors import InvalidInput, NotFound, UserError
from core.models import OPERATOR, Actor, RefreshKind, RefreshState, Role, Sync
from terminal import JsonOption, Terminal

syncs = typer.Typer(help="Segment syncs.", no_args_is_help=True)
roles = typer.Typer(help="Who may do what.", no_args_is_help=True)
Organization = Annotated[str | None, typer.Option("--org", help="The organization's id, where there are several.")]
_MEMBER = re.compile(r"[UW][A-Z0-9]+")
Which = Annotated[str, typer.Argument(help="S-42, or words of its name.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(syncs, name="sync")
    app.add_typer(roles, name="roles")


@syncs.command("list")
def list_syncs(
    filters: Annotated[list[str] | None, typer.Argument(help="As in Slack: status:failed channel:meta by:U0123 brand")] = None,
    *,
    org: Organization = None,
    as_json: JsonOption = False,
) -> None:
    """All syncs that fit the filters."""
    from bot.handlers.browse import parse

    product, actor = _begin(org)
    wanted = parse(" ".join(filters or []), actor.user_id)
    rows: list[Sync] = []
    page = product.syncs.list(actor, wanted, 1)
    while True:
        rows += page.rows
        if page.page == page.pages:
            break
        page = product.syncs.list(actor, wanted, page.page + 1)
    Terminal(as_json).table(f"{len(rows)} syncs", [_row(s) for s in rows], nothing="No sync fits.")


@syncs.command("show")
def show(which: Which, *, org: Organization = None, as_json: JsonOption = False) -> None:
    """Everything about one sync."""
    product, actor = _begin(org)
    sync = _one(product, actor, which)
    details = product.syncs.details(actor, sync.id)
    last = [
        {
            "at": run.created_at.isoformat(timespec="seconds"),
            "kind": run.kind.value,
            "state": run.state.value,
            "added": run.counts.added,
            "removed": run.counts.removed,
            "failure": run.failure,
        }
        for run in details.refreshes
    ]
    facts = _row(sync) | {
        "cadence": details.cadence_words,
        "members": sync.members,
        "matched": sync.matched,
        "failure": sync.failure,
    }
    if as_json:
        Terminal(as_json).value(facts | {"refreshes": last})
        return
    Terminal().table(sync.short, [{"what": k.replace("_", " "), "value": v} for k, v in facts.items()])
    Terminal().table("\nLast refreshes", last, nothing="It has not been refreshed yet.")


@syncs.command("refresh")
def refresh(
    which: Which,
    *,
    full: Annotated[bool, typer.Option("--full", help="Send everybody again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end; exit code 1 if it fails.")] = False,
    timeout: Annotated[float | None, typer.Option(help="With --wait: seconds after which it is left alone, exit code 1.")] = None,
    org: Organization = None,
    as_json: JsonOption = False,
) -> None:
    """Bring one sync up to date now; a running segsync does the work."""
    product, actor = _begin(org)
    sync = _one(product, actor, which)
    product.syncs.refresh(actor, sync.id, RefreshKind.FULL if full else RefreshKind.REQUESTED)
    if not wait:
        Terminal(as_json).say(f"{sync.short} is refreshed as soon as a worker is free.", sync=sync.short, request=actor.cause)
        return
    state, failure = _follow(product, sync, quiet=as_json, until=time.monotonic() + timeout if timeout else math.inf)
    told = {"sync": sync.short, "state": state.value, "failure": failure, "request": actor.cause}
    Terminal(as_json).say(f"{sync.short}: {state.value}" + (f" ({failure})" if failure else ""), **told)
    if state is not RefreshState.SUCCEEDED:
        raise typer.Exit(1)


@syncs.command("pause")
def pause(which: Which, *, org: Organization = None, as_json: JsonOption = False) -> None:
    """Stop refreshing one sync; its audience stays on the channel and goes stale."""
    product, actor = _begin(org)
    sync = product.pausing.pause(actor, _one(product, actor, which).id)
    Terminal(as_json).say(f"{sync.short} is inactive.", sync=sync.short, status=sync.status.value)


@roles.command("list")
def list_roles(*, org: Organization = None, as_json: JsonOption = False) -> None:
    """Everybody who has a role; all others are viewers."""
    product, actor = _begin(org)
    rows = [{"user": user, "role": role.value} for user, role in product.users.people(actor).items()]
    Terminal(as_json).table("Roles", rows, nothing="Nobody has a role: `segsync roles give U0123 primary_admin`.")


@roles.command("give")
def give(
    user: Annotated[str, typer.Argument(help="The Slack id of a user: U0123…")],
    role: Annotated[Role, typer.Argument(help="What they may do.")],
    *,
    org: Organization = None,
    as_json: JsonOption = False,
) -> None:
    """Give a role, or take one back with `viewer`."""
    if not _MEMBER.fullmatch(user):
        raise InvalidInput("A user is named by their Slack id, such as U0123ABCD: profile → ⋮ → Copy member ID.", field="user")
    product, actor = _begin(org)
    product.users.give_role(actor, user, role)
    Terminal(as_json).say(f"{user} is {role.label} now.", user=user, role=role.value)


def _follow(product: Any, sync: Sync, *, quiet: bool, until: float) -> tuple[RefreshState, str | None]:
    """Shows how far the newest refresh is until it ends, or until this moment of the monotonic clock."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=quiet) as bar:
        task = bar.add_task("waiting", total=None)
        while True:
            (run,) = product.store.refreshes.last(sync.id, 1)
            if not run.state.is_open or time.monotonic() > until:
                return run.state, run.failure
            if run.progress:
                bar.update(
                    task, description=run.progress.phase.value, total=run.progress.total or None, completed=run.progress.done
                )
            time.sleep(0.3)


def _row(sync: Sync) -> dict[str, Any]:
    return {
        "sync": sync.short,
        "status": sync.status.value,
        "segment": sync.segment_name,
        "channel": sync.channel.value,
        "account": sync.account_name,
        "owner": sync.owner_id,
        "delivered": sync.delivered,
        "refreshed_at": sync.refreshed_at.isoformat(timespec="seconds") if sync.refreshed_at else None,
        "next_due_at": sync.next_due_at.isoformat(timespec="seconds") if sync.next_due_at else None,
    }


def _one(product: Any, actor: Actor, which: str) -> Sync:
    found: list[Sync] = product.syncs.find(actor, which)
    if not found:
        raise NotFound(f"No sync is called “{which}”. `segsync sync list` shows all of them.")
    if len(found) > 1:
        raise InvalidInput(f"“{which}” may be any of {', '.join(s.short for s in found)}.", field="which")
    return found[0]


def _begin(org: str | None) -> tuple[Any, Actor]:
    """The product, and the operator as an actor of the organization that is meant."""
    from bot.main import build
    from bot.slips import read

    product = build(read())
    weakref.finalize(product, product.store.close)
    known = product.store.organizations.ids()
    if not known:
        raise UserError("No workspace has installed segsync yet: `segsync run` greets the first one.")
    if org is None and len(known) > 1:
        raise InvalidInput(f"Several organizations use this segsync: name one of {', '.join(known)} with --org.", field="org")
    if org is not None and org not in known:
        raise NotFound(f"There is no organization {org}.")
    return product, Actor(
        org or known[0], OPERATOR, Role.PRIMARY_ADMIN, name="the operator", surface="cli", cause=uuid4().hex[:12]
    )
