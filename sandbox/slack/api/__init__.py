"""Slack's Web API: one module for each family of methods, one table of all of them."""

from sandbox.slack.api import apps, chat, conversations, files, users, views
from sandbox.slack.api.calls import Method

METHODS: dict[str, Method] = {
    **apps.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **users.METHODS,
    **views.METHODS,
}
