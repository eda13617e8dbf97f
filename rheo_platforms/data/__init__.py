"""Partitions of a deployed application -> data in this process."""
