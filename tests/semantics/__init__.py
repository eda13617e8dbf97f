"""The contract of docs/semantics.md, as tests written from its text and not from the engine."""
