"""Block Kit of 2026: what each surface takes, refused with Slack's own messages and JSON pointers."""
