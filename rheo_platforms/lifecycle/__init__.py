"""An application as compiled, and as it is active -> activated, changed, paused and ended."""
