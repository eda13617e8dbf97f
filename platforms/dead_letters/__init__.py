"""Dead letters: the messages that the listener, or its queue, has given up."""

from platforms.dead_letters.letters import Letter, drop, read, replay

__all__ = ["Letter", "drop", "read", "replay"]
