"""The product: rules, use cases and their tables. Knows nothing of Slack, HTTP or APScheduler."""
