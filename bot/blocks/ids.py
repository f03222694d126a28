"""Every action, block and callback id: `journey.action`. What a button carries beside it is an id and a version, never a name."""

from typing import Final

COMMAND: Final = "command.run"  # value: the words of a command, as somebody would type them
PROBLEM: Final = "problem"  # a modal that only tells what went wrong

CREATE: Final = "create.form"
CREATE_SHORTCUT: Final = "create_sync"
CREATE_SEGMENT: Final = "create.segment"
CREATE_CHANNEL: Final = "create.channel"
CREATE_ACCOUNT: Final = "create.account"
CREATE_CADENCE: Final = "create.cadence"
CREATE_CRON: Final = "create.cron"
CREATE_FIRST: Final = "create.first_day"
CREATE_LAST: Final = "create.last_day"
CREATE_MORE: Final = "create.more"
CREATE_CONNECT: Final = "create.connect"
CREATE_AGAIN: Final = "create.again"
CREATE_COUNT: Final = "create.count"
CREATE_RESUME_DRAFT: Final = "create.go_on"

CONNECT: Final = "connect.channels"
CONNECT_START: Final = "connect.start"  # value: a channel
CONNECT_LINK: Final = "connect.link"
CONNECT_REMOVE: Final = "connect.disconnect"
DISCONNECT: Final = "connect.disconnect_form"

DETAILS: Final = "sync.details"
DETAILS_VIEW: Final = "sync.details_view"
REFRESH: Final = "sync.refresh"
RETRY: Final = "sync.retry"
LIST_STATUS: Final = "list.status"
LIST_CHANNEL: Final = "list.channel"
LIST_OWNER: Final = "list.owner"
LIST_PERSON: Final = "list.person"
LIST_SEGMENT: Final = "list.segment"
LIST_ACCOUNT: Final = "list.account"
LIST_SORT: Final = "list.sort"
LIST_ALERT: Final = "list.alert"
LIST_MORE: Final = "list.more"
LIST_CLEAR: Final = "list.clear"
LIST_PAGE: Final = "list.page"

EDIT: Final = "edit.open"  # the value of each: a sync and its version
EDIT_FORM: Final = "edit.form"
EDIT_NAME: Final = "edit.name"
EDIT_CADENCE: Final = "edit.cadence"
EDIT_CRON: Final = "edit.cron"
EDIT_FIRST: Final = "edit.first_day"
EDIT_LAST: Final = "edit.last_day"
EDIT_GUARD: Final = "edit.guard"
DELETE: Final = "delete.open"
DELETE_FORM: Final = "delete.form"
DELETE_AUDIENCE: Final = "delete.audience"
DELETE_TYPED: Final = "delete.typed"
CHART: Final = "sync.chart"
SHARE: Final = "sync.share"  # value: a sync
DRY_RUN: Final = "sync.dry_run"
RESYNC: Final = "sync.resync"

PAUSE: Final = "pause.open"
PAUSE_FORM: Final = "pause.form"
RESUME: Final = "pause.resume"
TAKE_OVER: Final = "pause.take_over"
MOVED: Final = "pause.progress"

APPLY: Final = "held.apply"
KEEP: Final = "held.keep"
OPEN: Final = "alert.open"

ALERT_RETRY: Final = "alert.retry"  # the value of each: an alert
ALERT_RECONNECT: Final = "alert.reconnect"
ALERT_TAKE_OVER: Final = "alert.take_over"
ALERT_APPLY: Final = "alert.apply"
ALERT_KEEP: Final = "alert.keep"
ALERT_ACKNOWLEDGE: Final = "alert.acknowledge"
ALERT_SNOOZE: Final = "alert.snooze"  # value: an alert, and how long
ALERT_DETAILS: Final = "alert.details"
ALERT_VIEW: Final = "alert.view"

REQUEST_ASK: Final = "request.ask"  # value: `role`, `help:<sync>`, `account:<channel>`
REQUEST_FORM: Final = "request.form"
REQUEST_NOTE: Final = "request.note"
REQUEST_APPROVE: Final = "request.approve"  # the value of each: a request
REQUEST_TAKE_OVER: Final = "request.take_over"
REQUEST_DECLINE: Final = "request.decline"
DECLINE_FORM: Final = "request.decline_form"

ROLE_FORM: Final = "roles.form"
ROLE_CHANGE: Final = "roles.change"  # value: a user
ROLE_USER: Final = "roles.user"
ROLE_ROLE: Final = "roles.role"
SETTINGS_FORM: Final = "settings.form"
SETTINGS_ALERTS: Final = "settings.alert_conversation"
SETTINGS_APPROVALS: Final = "settings.approval_conversation"
SETTINGS_CAP: Final = "settings.own_cap"
SETTINGS_GUARD: Final = "settings.guard_share"
SETTINGS_THRESHOLDS: Final = "settings.thresholds"
SETTINGS_POLICY: Final = "settings.approve_pauses"
SETTINGS_ROUTE: Final = "settings.route"  # with a channel behind it
NOTIFY_FORM: Final = "notifications.form"
NOTIFY_DMS: Final = "notifications.dms"
NOTIFY_FROM: Final = "notifications.from"
NOTIFY_TO: Final = "notifications.to"
NOTIFY_OFF: Final = "notifications.off"

USAGE_SHARE: Final = "usage.share"
AUDIT_PAGE: Final = "audit.page"
AUDIT_EXPORT: Final = "audit.export"
LIST_EXPORT: Final = "list.export"
LOOKUP_FORM: Final = "lookup.form"
LOOKUP_KIND: Final = "lookup.kind"
LOOKUP_VALUE: Final = "lookup.value"
