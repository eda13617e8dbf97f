"""A deployed application -> what a person asks of it: events, executions, backfills."""
