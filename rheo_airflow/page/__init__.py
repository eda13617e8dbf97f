"""The page that shows applications: their graphs, the partitions of each node, and what waits for what."""
