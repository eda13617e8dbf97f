"""The commands of ``rheo``, by what they are for."""
