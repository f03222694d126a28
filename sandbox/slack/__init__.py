"""A stand-in for Slack that any app runs on: Web API, Socket Mode, HTTP delivery, OAuth, Block Kit, people who click.

Try it: `python -m sandbox --port 8765`, then aim an app at it. Python: `WebClient(base_url="http://127.0.0.1:8765/slack/api/")`
handed to Bolt's `App(client=…)`; Node: `clientOptions: { slackApiUrl: "http://127.0.0.1:8765/slack/api/" }`. Tokens of an app of
your own come from `POST /control/slack-app {name, commands, request_url?}`; more may be said there: `shortcuts`,
`unfurl_domains`, `redirect_urls`, `scopes` (lists), `should_escape`, `org_wide` (Enterprise Grid shapes).

How it is laid out, in the order of a click: `control` (HTTP rows) → `writing`, `clicking`, `submitting` (what a person does) →
`payloads` (what the app is sent) → `delivery` (Socket Mode or signed HTTP, acknowledgements, retries) → the app → `webapi` and
`api/` (what it calls), `replies` (response URLs) → `posting`, `screens` (what changes) → `workspace` (all state), `store` (kept
in SQLite), `feed` (open pages hear of it). `blockkit/` holds Block Kit's rules as tables. `weather`: faults, pace, rate limits.

As unkind as Slack: a trigger opens one view within three seconds; a `block_suggestion` carries the view's state as Slack's
servers last knew it; a new initial value on an unchanged `block_id` is shown but is not in the state; mentions and DMs carry no
trigger; ephemeral messages cannot be updated by `chat.update`; a response URL lives for five uses or half an hour.

For the page, beside `/control`:

* `GET /page/events?user=U`: server-sent events, `data: {"what": "hello"}` first, then `message` (with `channel`), `view`, `home`,
  `people`, `channels`, `apps`: whatever this person sees has changed, fetch the screen again.
* `GET /page/details?user=U`: names for what the screen only has ids of: `{people, apps, channels, homes, files}`; an app has its
  `commands`, `shortcuts`, bot `id`, and the `dm` of this person with it.
* `GET /slack/avatar/{user or bot id}.svg`: initials on a colour.
* `POST /control/home {user, app?}` opens the Home tab of every app, or of the one named by id or name; `POST /control/shortcut`
  takes `message: {channel, ts}` for a message shortcut; `POST /control/person {name, guest?, stranger?}` without `user` lets
  somebody new join; `POST /control/upload {user, name, content, channel?}` uploads a text as a file, into a conversation or for a
  file input (its value is a list of file ids); `POST /control/slack-uninstall {app_id}` removes an app.
* A submission whose answer Slack could not use leaves the modal and adds `trouble`, the text for its foot.
"""
