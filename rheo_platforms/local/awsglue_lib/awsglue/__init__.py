"""The part of AWS Glue's own Python library that a generated script uses, for the local Spark worker."""
