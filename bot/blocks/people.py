"""People on screen: who has which role and which connections, giving roles, and the messages about both."""

from collections.abc import Mapping, Sequence

from bot.blocks import ids, kit
from bot.blocks.words import connection_status, person
from core.models import Actor, Role
from core.views import Member

PAGE = 20
_CHOICES = {  # what each role that may give roles may give
    Role.PRIMARY_ADMIN: tuple(Role),
    Role.ABM_ADMIN: (Role.MARKETING_USER, Role.VIEWER),
}
_STEPS = {  # step → what it is, its button, the command behind it
    "connect": ("Connect a channel: syncs run on the connections of whoever creates them.", "Connect", "connect"),
    "alerts": ("Choose the conversation for alerts; until then they come to you.", "Choose", "settings"),
    "approvals": ("Choose the conversation for approvals; until then requests come to you.", "Choose", "settings"),
    "administrators": ("Name another administrator, so that nothing waits for one person.", "Give a role", "roles"),
}


def people_message(members: Sequence[Member], reader: Actor, page: int = 1) -> kit.Message:
    """Everybody with a role or a connection, a row each: role, what is connected and until when."""
    pages = max((len(members) + PAGE - 1) // PAGE, 1)
    page = min(max(page, 1), pages)
    shown = members[(page - 1) * PAGE : page * PAGE]
    blocks = [kit.header("People"), kit.context(_counts(members))]
    for member in shown:
        can_change = member.role in _CHOICES.get(reader.role, ())
        button = kit.button("Change role", ids.ROLE_CHANGE, member.user_id) if can_change else None
        blocks.append(kit.section(f"{person(member.user_id)} · *{member.role.label}*\n{_connections(member)}", accessory=button))
    row = [kit.button("Give a role", f"{ids.COMMAND}.roles", "roles")]
    if page > 1:
        row.append(kit.button("← Before", f"{ids.COMMAND}.people_back", f"people {page - 1}"))
    if page < pages:
        row.append(kit.button("More →", f"{ids.COMMAND}.people_on", f"people {page + 1}"))
    blocks.append(kit.actions(*row))
    if pages > 1:
        blocks.append(kit.context(f"Page {page} of {pages}"))
    return kit.message(f"{len(members)} people have a role or a connection", blocks)


def roles_modal(giver: Role, user_id: str = "", role: Role | None = None) -> kit.View:
    """Give or take a role: only those that the giver may give. `user_id`, `role`: whom it is about, and what they are."""
    offered = _CHOICES.get(giver, ())
    user = {"type": "users_select", "action_id": ids.ROLE_USER, "placeholder": kit.plain("Whom", 150)}
    user |= {"initial_user": user_id} if user_id else {}
    chosen = role.value if role in offered and role is not None else None
    choice = kit.static_select(ids.ROLE_ROLE, "Which role", [kit.option(r.label, r.value) for r in offered], initial=chosen)
    blocks = [
        kit.field("Person", user, block_id="user"),
        kit.field("Role", choice, block_id="role", hint="View-only takes a role back."),
    ]
    if giver is not Role.PRIMARY_ADMIN:
        blocks.append(kit.context("Only a Primary Administrator gives or takes an administrator's role."))
    return kit.modal("Roles", blocks, callback_id=ids.ROLE_FORM, submit="Give", close="Cancel")


def role_message(role: Role, by: str) -> kit.Message:
    """To somebody whose role has changed. `by` empty: it came by itself."""
    who = f"{person(by)} has given you" if by else "The only Primary Administrator has left, so you have"
    said = f"{who} the role *{role.label}* in segsync."
    if role is Role.VIEWER:
        said = (
            f"{person(by)} has taken your role in segsync back: you are *{role.label}* now. What you have connected stays yours."
        )
    row = kit.actions(
        kit.button("What I can do", f"{ids.COMMAND}.help", "help"), kit.button("Overview", f"{ids.COMMAND}.overview", "overview")
    )
    return kit.message(f"Your role in segsync is {role.label} now", [kit.section(said), row])


def welcome_message(done: Mapping[str, bool]) -> kit.Message:
    """To the first administrator: what makes segsync ready; each step that is done is ticked off."""
    left = sum(not is_done for is_done in done.values())
    greeting = "You administer segsync here. " + (
        f"{left} {'step is' if left == 1 else 'steps are'} left until it is ready:" if left else "Everything is set up. 🎉"
    )
    blocks = [kit.header("Welcome to segsync"), kit.section(greeting)]
    for step, is_done in done.items():
        text, label, command = _STEPS[step]
        if is_done:
            blocks.append(kit.section(f"✅ ~{text}~"))
        else:
            button = kit.button(label, f"{ids.COMMAND}.{step}", command)
            blocks.append(kit.section(f"⬜ {text}", accessory=button))
    create = kit.button("Create a sync", f"{ids.COMMAND}.create", "create", style="primary" if not left else None)
    blocks.append(kit.actions(create, kit.button("Help", f"{ids.COMMAND}.help", "help")))
    return kit.message(f"Welcome to segsync: {left} of {len(done)} steps left" if left else "segsync is set up", blocks)


def _counts(members: Sequence[Member]) -> str:
    roles = {role: sum(m.role is role for m in members) for role in Role}
    return " · ".join(f"{n} × {role.label}" for role, n in roles.items() if n) or "Nobody has a role."


def _connections(member: Member) -> str:
    if not member.connections:
        return "Nothing connected"
    return "\n".join(f"{c.channel.label}: {connection_status(c)}" for c in member.connections)
