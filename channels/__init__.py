"""The ad platforms: one file each, all satisfy `core.ports.AdChannel`. They know nothing of Slack or the database."""
