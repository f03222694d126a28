"""`files.*`: upload in three steps (ask for a URL, send the bytes, complete), look up, delete."""

from sandbox.slack.api.calls import Call, Method, invalid
from sandbox.slack.faces import file_face
from sandbox.slack.refusal import Refused
from sandbox.slack.state import JSON, Conversation, File

_MOST_BYTES = 1_000_000_000


def upload_url(call: Call) -> JSON:
    """Where to send the bytes of a file of this name and length."""
    name, length = call.text("filename"), call.number("length", 0)
    if length < 1:
        raise invalid("must be greater than 0 [json-pointer:/length]")
    if length > _MOST_BYTES:
        raise Refused("file_upload_size_restricted")
    ids = call.space.ids
    file = File(ids.new("F"), name, call.app.id, ids.letters(24), length, int(ids.now()), user=call.app.bot_user_id)
    call.space.files[file.id] = file
    return {"upload_url": f"{call.space.world.base_url}/slack/upload/v1/{file.id}{file.secret}", "file_id": file.id}


def complete(call: Call) -> JSON:
    """Finish uploads, and share them in a conversation when one is named (no person's id: open the DM first)."""
    wanted = call.args.get("files")
    if not isinstance(wanted, list) or not wanted:
        raise invalid("missing required field: files")
    files = []
    for item in wanted:
        file = call.space.files.get(str(item.get("id"))) if isinstance(item, dict) else None
        if file is None or file.app_id != call.app.id or not file.uploaded:
            raise Refused("file_not_found")
        file.title = str(item.get("title") or file.name)
        files.append(file)
    channels = [c for c in (call.maybe("channel_id"), *call.words("channels")) if c]
    for wanted_id in channels:
        channel = call.space.channels.get(wanted_id)
        if channel is None:
            raise Refused("channel_not_found")
        if channel.archived:
            raise Refused("is_archived")
        if call.app.bot_user_id not in channel.members:
            raise Refused("not_in_channel")
        _share(call, files, channel)
    for file in files:
        call.space.keep_file(file)
    return {"files": [file_face(call.space, file) for file in files]}


def _share(call: Call, files: list[File], channel: Conversation) -> None:
    for file in files:
        file.channels.append(channel.id)
    args: JSON = {"text": call.maybe("initial_comment") or " "}
    for name in ("thread_ts", "blocks"):
        if call.args.get(name):
            args[name] = call.args[name]
    faces = [file_face(call.space, file) for file in files]
    message = call.tools.posting.post(call.app, channel, args, extra={"files": faces, "upload": True})
    if not call.maybe("initial_comment"):
        message.body["text"] = ""
    call.space.put_message(message)
    for file in files:
        inner = {"type": "file_shared", "file_id": file.id, "file": {"id": file.id}, "channel_id": channel.id}
        inner |= {"user_id": call.app.bot_user_id, "event_ts": message.ts}
        others = [app for app in call.tools.events.inside(channel) if app is not call.app]
        call.tools.events.send("file_shared", inner, apps=others, channel=channel)


def _file(call: Call) -> File:
    file = call.space.files.get(call.text("file"))
    if file is None or not file.uploaded:
        raise Refused("file_not_found")
    return file


def info(call: Call) -> JSON:
    """One file."""
    return {"file": file_face(call.space, _file(call)), "comments": [], "response_metadata": {"next_cursor": ""}}


def listing(call: Call) -> JSON:
    """Files that were shared, newest first."""
    channel = call.maybe("channel")
    found = [f for f in call.space.files.values() if f.uploaded and f.channels and channel in (None, *f.channels)]
    found.sort(key=lambda f: f.created, reverse=True)
    faces = [file_face(call.space, file) for file in found[: call.number("count", 100)]]
    return {"files": faces, "paging": {"count": 100, "total": len(found), "page": 1, "pages": 1}}


def delete(call: Call) -> JSON:
    """Delete one of the app's own files, also from the messages that share it."""
    file = _file(call)
    if file.app_id != call.app.id:
        raise Refused("cant_delete_file")
    del call.space.files[file.id]
    call.space.store.drop("file", file.id)
    for shared_in in file.channels:
        for message in list(call.space.channels[shared_in].messages.values()):
            if any(f["id"] == file.id for f in message.body.get("files", [])):
                message.body["files"] = [{"id": file.id, "mode": "tombstone"}]
                call.space.put_message(message)
    return {}


METHODS = {
    "files.completeUploadExternal": Method(complete, 4, ("files:write",)),
    "files.delete": Method(delete, 3, ("files:write",)),
    "files.getUploadURLExternal": Method(upload_url, 4, ("files:write",)),
    "files.info": Method(info, 4, ("files:read",)),
    "files.list": Method(listing, 3, ("files:read",)),
}
