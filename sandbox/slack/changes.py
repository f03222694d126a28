"""What an administrator changes: people and conversations, with the events that Slack sends."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.slack.faces import PARTNER_ID
from sandbox.slack.refusal import Impossible
from sandbox.slack.standin import SlackStandIn
from sandbox.slack.state import JSON, Conversation
from sandbox.slack.workspace import GENERAL
from sandbox.world import TEAM_ID, Person


def change_person(slack: SlackStandIn, wanted: JSON) -> Person:
    """Deactivate, make a guest, move, rename; without `user` somebody new joins (`team_join`)."""
    space = slack.space
    user = wanted.get("user")
    if user is None and wanted.get("name"):
        return _newcomer(slack, wanted)
    person = space.world.person(str(user))
    if person is None:
        raise Impossible(404, "user_not_found")
    _settle(person, wanted)
    if person.deleted:
        space.drop_views(list(space.stack(person.id)))
    space.keep_person(person)
    slack.events.person("user_change", person)
    return person


def _settle(person: Person, wanted: JSON) -> None:
    for name in ("deleted", "guest"):
        if name in wanted:
            if not isinstance(wanted[name], bool):
                raise Impossible(400, f"{name} must be true or false")
            setattr(person, name, wanted[name])
    if "tz" in wanted:
        try:
            ZoneInfo(str(wanted["tz"]))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise Impossible(400, "tz must be a zone such as Europe/Madrid") from error
        person.tz = str(wanted["tz"])
    if "name" in wanted:
        if not isinstance(wanted["name"], str) or not wanted["name"].strip():
            raise Impossible(400, "name must be a text")
        person.name = wanted["name"].strip()


def _newcomer(slack: SlackStandIn, wanted: JSON) -> Person:
    space = slack.space
    name = str(wanted["name"]).strip()
    handle = "".join(c for c in name.lower().split(" ")[0] if c.isalnum()) or "someone"
    while any(p.handle == handle for p in space.people):
        handle += "1"
    person = Person(space.ids.new("U"), handle, name, "viewer", "Europe/London")
    _settle(person, wanted)
    if wanted.get("stranger"):
        space.strangers.add(person.id)
    space.keep_person(person)
    for channel in [c for c in space.channels.values() if c.kind == "public"]:
        if channel.id == GENERAL or not person.guest:
            channel.members.append(person.id)
            space.keep_channel(channel)
    for app in space.apps.values():
        space.dm(person.id, app)
    slack.events.person("team_join", person)
    return person


def change_channel(slack: SlackStandIn, wanted: JSON) -> Conversation:
    """Archive, share with another company, invite our app or take it out; `false` undoes each."""
    space, events = slack.space, slack.events
    channel = space.channels.get(str(wanted.get("channel")))
    if channel is None:
        raise Impossible(404, "channel_not_found")
    for name in ("archived", "ext_shared", "app_member"):
        if name in wanted and not isinstance(wanted[name], bool):
            raise Impossible(400, f"{name} must be true or false")
    admin = space.people[0].id
    if wanted.get("archived", channel.archived) != channel.archived:
        channel.archived = wanted["archived"]
        name = "channel_archive" if channel.archived else "channel_unarchive"
        events.channel(name, channel, events.inside(channel), user=admin)
    if wanted.get("ext_shared", channel.ext_shared) != channel.ext_shared:
        channel.ext_shared = wanted["ext_shared"]
        if channel.ext_shared:
            events.channel("channel_shared", channel, events.inside(channel), connected_team_id=PARTNER_ID)
        else:
            events.channel(
                "channel_unshared", channel, events.inside(channel),
                previously_connected_team_id=PARTNER_ID, is_ext_shared=False,
            )  # fmt: skip
    if "app_member" in wanted:
        _membership(slack, channel, wanted["app_member"], admin)
    space.keep_channel(channel)
    space.feed.tell_all("channels")
    return channel


def _membership(slack: SlackStandIn, channel: Conversation, inside: bool, admin: str) -> None:
    bot = slack.ours.bot_user_id
    if inside and bot not in channel.members:
        channel.members.append(bot)
        slack.events.joined(channel, bot, admin)
    elif not inside and bot in channel.members:
        channel.members.remove(bot)
        slack.events.channel("channel_left", channel, [slack.ours], actor_id=admin)
        others = slack.events.inside(channel)
        more: dict[str, Any] = {"user": bot, "channel_type": "C", "team": TEAM_ID}
        slack.events.channel("member_left_channel", channel, others, **more)
